package springapp;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.cloud.context.config.annotation.RefreshScope;
import org.springframework.stereotype.Component;

/** What the configuration says, as it is now. */
@Component
@RefreshScope
public class Greeting {

    @Value("${greeting:nothing was configured}")
    private String text;

    public String text() {
        return text;
    }
}
