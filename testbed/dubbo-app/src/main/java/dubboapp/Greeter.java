package dubboapp;

/** What the provider does for consumers. */
public interface Greeter {

    String greet(String name);
}
