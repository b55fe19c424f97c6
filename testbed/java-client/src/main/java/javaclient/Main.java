package javaclient;

import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.PropertyKeyConst;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.EventListener;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringReader;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/** Obeys the commands on standard input with a genuine Nacos client, and tells what it sees as JSON lines. */
public class Main {

    private final PrintStream out;
    private final NamingService naming;
    private final Map<String, EventListener> listeners = new HashMap<>();

    private Main(PrintStream out, NamingService naming) {
        this.out = out;
        this.naming = naming;
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
        System.setOut(System.err); // whatever a library prints must not mix with the answers
        Properties properties = new Properties();
        properties.put(PropertyKeyConst.SERVER_ADDR, args[0]);
        properties.put(PropertyKeyConst.NAMESPACE, args[1]);
        String more = System.getenv("CLIENT_PROPERTIES");
        properties.load(new StringReader(more == null ? "" : more));
        if (System.getenv("NACOS_USERNAME") != null) {
            properties.put(PropertyKeyConst.USERNAME, System.getenv("NACOS_USERNAME"));
            properties.put(PropertyKeyConst.PASSWORD, System.getenv("NACOS_PASSWORD"));
        }
        Main main = new Main(out, NacosFactory.createNamingService(properties));
        out.println("{\"event\":\"ready\"}");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null && !line.equals("quit"); line = commands.readLine()) {
            main.obey(line);
        }
        main.naming.shutDown();
        System.exit(0); // the client leaves threads behind that would keep the process alive
    }

    private void obey(String line) {
        try {
            run(line.split(" "));
            print("{\"event\":\"done\",\"command\":" + quote(line) + "}");
        } catch (Exception e) {
            print("{\"event\":\"failed\",\"command\":" + quote(line) + ",\"error\":" + quote(e.toString()) + "}");
        }
    }

    private void run(String[] words) throws Exception {
        String service = words[1];
        String group = words[2];
        switch (words[0]) {
            case "register":
                naming.registerInstance(service, group, instance(words));
                break;
            case "batch":
                batch(service, group, words);
                break;
            case "deregister":
                String cluster = words.length > 5 ? words[5] : "DEFAULT";
                naming.deregisterInstance(service, group, words[3], Integer.parseInt(words[4]), cluster);
                break;
            case "subscribe":
                EventListener listener = event -> {
                    if (event instanceof NamingEvent) {
                        print(instances("instances", service, group, ((NamingEvent) event).getInstances()));
                    }
                };
                listeners.put(service + " " + group, listener);
                naming.subscribe(service, group, listener);
                break;
            case "unsubscribe":
                naming.unsubscribe(service, group, listeners.remove(service + " " + group));
                break;
            case "watch":
                watch(service, group);
                break;
            case "list":
                print(instances("list", service, group, naming.getAllInstances(service, group, false)));
                break;
            default:
                throw new IllegalArgumentException("unknown command " + words[0]);
        }
    }

    /** By reflection, since 1.4 has no such method. */
    private void batch(String service, String group, String[] words) throws Exception {
        List<Instance> instances = new ArrayList<>();
        for (int i = 3; i < words.length; i++) {
            String[] parts = words[i].split("[:*]");
            Instance instance = new Instance();
            instance.setIp(parts[0]);
            instance.setPort(Integer.parseInt(parts[1]));
            instance.setWeight(Double.parseDouble(parts[2]));
            instances.add(instance);
        }
        try {
            NamingService.class.getMethod("batchRegisterInstance", String.class, String.class, List.class)
                .invoke(naming, service, group, instances);
        } catch (InvocationTargetException e) {
            throw new Exception(e.getCause());
        }
    }

    /** By reflection, since only 3.0 and later watch names. */
    private void watch(String service, String group) throws Exception {
        Class<?> type = Class.forName("com.alibaba.nacos.api.naming.listener.FuzzyWatchEventWatcher");
        Object watcher = Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, args) -> {
            switch (method.getName()) {
                case "onEvent":
                    print(name(args[0]));
                    return null;
                case "hashCode":
                    return System.identityHashCode(self);
                case "equals":
                    return self == args[0];
                default:
                    return null;
            }
        });
        try {
            NamingService.class.getMethod("fuzzyWatch", String.class, String.class, type)
                .invoke(naming, service, group, watcher);
        } catch (InvocationTargetException e) {
            throw new Exception(e.getCause());
        }
    }

    private static String name(Object event) throws Exception {
        StringBuilder json = new StringBuilder("{\"event\":\"name\"");
        for (String part : new String[] {"service", "group", "change"}) {
            String getter = part.equals("change") ? "getChangeType"
                : "get" + part.substring(0, 1).toUpperCase() + part.substring(1) + "Name";
            Object value = event.getClass().getMethod(getter).invoke(event);
            json.append(",\"").append(part).append("\":").append(quote(String.valueOf(value)));
        }
        return json.append('}').toString();
    }

    private static Instance instance(String[] words) {
        Instance instance = new Instance();
        instance.setIp(words[3]);
        instance.setPort(Integer.parseInt(words[4]));
        instance.setWeight(Double.parseDouble(words[5]));
        Map<String, String> metadata = new HashMap<>();
        if (words.length > 6) {
            for (String pair : words[6].split(",")) {
                String[] parts = pair.split("=", 2);
                metadata.put(parts[0], parts[1]);
            }
        }
        instance.setEphemeral(!"false".equals(metadata.remove("@ephemeral")));
        String cluster = metadata.remove("@cluster");
        if (cluster != null) {
            instance.setClusterName(cluster);
        }
        instance.setMetadata(metadata);
        return instance;
    }

    private static String instances(String event, String service, String group, List<Instance> instances) {
        StringBuilder json = new StringBuilder("{\"event\":\"").append(event).append("\",\"service\":")
            .append(quote(service)).append(",\"group\":").append(quote(group))
            .append(",\"at_ms\":").append(System.currentTimeMillis()).append(",\"instances\":[");
        String comma = "";
        for (Instance instance : instances) {
            json.append(comma).append(json(instance));
            comma = ",";
        }
        return json.append("]}").toString();
    }

    private static String json(Instance instance) {
        StringBuilder json = new StringBuilder("{\"ip\":").append(quote(instance.getIp()))
            .append(",\"port\":").append(instance.getPort())
            .append(",\"weight\":").append(instance.getWeight())
            .append(",\"healthy\":").append(instance.isHealthy())
            .append(",\"enabled\":").append(instance.isEnabled())
            .append(",\"ephemeral\":").append(instance.isEphemeral())
            .append(",\"cluster\":").append(quote(instance.getClusterName()))
            .append(",\"metadata\":{");
        String comma = "";
        for (Map.Entry<String, String> entry : instance.getMetadata().entrySet()) {
            json.append(comma).append(quote(entry.getKey())).append(':').append(quote(entry.getValue()));
            comma = ",";
        }
        return json.append("}}").toString();
    }

    private static String quote(String text) {
        if (text == null) {
            return "null";
        }
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ') {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }

    private synchronized void print(String line) {
        out.println(line);
    }
}
