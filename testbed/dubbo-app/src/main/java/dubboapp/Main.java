package dubboapp;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/** A provider, or a consumer that calls once for each line on standard input, found through a Nacos. */
public class Main {

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
        System.setOut(System.err); // whatever a library prints must not mix with the answers
        String role = args[0];
        RegistryConfig registry = new RegistryConfig("nacos://" + args[1] + "?namespace=" + args[2]);
        // The address is a Nacos without configurations, which Dubbo would use for both otherwise.
        registry.setUseAsConfigCenter(false);
        registry.setUseAsMetadataCenter(false);
        ApplicationConfig application = new ApplicationConfig("greeter-" + role);
        application.setQosEnable(false);
        DubboBootstrap dubbo = DubboBootstrap.getInstance().application(application).registry(registry);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        if (role.equals("provider")) {
            int port = Integer.parseInt(args[3]);
            ServiceConfig<Greeter> service = new ServiceConfig<>();
            service.setInterface(Greeter.class);
            service.setRef(name -> "hello " + name + " from " + port);
            dubbo.protocol(new ProtocolConfig("dubbo", port)).service(service).start();
            out.println("ready");
            while (lines.readLine() != null) {
                // until whoever started us ends
            }
        } else {
            ReferenceConfig<Greeter> reference = new ReferenceConfig<>();
            reference.setInterface(Greeter.class);
            reference.setProvidedBy("greeter-provider");
            reference.setCheck(false);
            reference.setTimeout(3000);
            dubbo.reference(reference).start();
            Greeter greeter = reference.get();
            out.println("ready");
            for (String name = lines.readLine(); name != null; name = lines.readLine()) {
                out.println(answer(greeter, name));
            }
        }
        dubbo.stop();
        System.exit(0);
    }

    private static String answer(Greeter greeter, String name) {
        try {
            return greeter.greet(name);
        } catch (RuntimeException e) {
            e.printStackTrace();
            return "failed: " + e.getClass().getSimpleName();
        }
    }
}
