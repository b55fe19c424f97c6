package springapp;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.context.ConfigurableApplicationContext;

/** An application that is in a Nacos and has its configuration there, and tells line by line what it knows. */
@SpringBootApplication
public class Main {

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        System.setOut(System.err); // whatever a library prints must not mix with the answers
        ConfigurableApplicationContext application = SpringApplication.run(Main.class, args);
        out.println("ready");
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            out.println(answer(application, line));
        }
        System.exit(SpringApplication.exit(application));
    }

    private static String answer(ConfigurableApplicationContext application, String line) {
        if (line.equals("greeting")) {
            return application.getBean(Greeting.class).text();
        }
        return application.getBean(DiscoveryClient.class).getInstances(line).stream()
            .map(instance -> instance.getHost() + ":" + instance.getPort())
            .sorted()
            .collect(Collectors.joining(" "));
    }
}
