import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.OffsetDateTime;

/** The story of tests/hosts/story.txt, by JNA. Arguments: a new database, a catalog. */
public final class Story {
    private static final String TENANT = "padaria-são-joão";
    private static final String DOCUMENT = """
            {"name": "padaria-são-joão",
             "plan": {"name": "starter", "first_due": "2026-05-20", "auto_renew": true}}""";
    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    private static Instant at(String text) {
        return OffsetDateTime.parse(text).toInstant();
    }

    private static String shown(Cotas.Decision decision) {
        if (!decision.allowed()) {
            return "denied, %s, %d of %d used, %d left, again at %s".formatted(
                    decision.reason().replace('_', ' '), decision.used(), decision.limit(),
                    decision.available(), decision.retryAt());
        }
        String session = decision.sessionOpened() ? "opened" : "goes on";
        String text = "allowed, session %s until %s".formatted(
                session, decision.sessionExpiresAt());
        return decision.limit() == null ? text
                : "%s, %d of %d left".formatted(text, decision.available(), decision.limit());
    }

    private static Cotas.Decision receive(Cotas.Tenant tenant, int number) {
        String contact = "contact-" + number;
        var about = new Cotas.Details("whatsapp", contact, 1, null, null);
        return tenant.perform("receive_message", about);
    }

    private static void printError(Runnable what) {
        try {
            what.run();
        } catch (Cotas.Failure failure) {
            OUT.printf("error %d: %s%n", failure.code, failure.getMessage());
        }
    }

    private static void printSms(Cotas.Tenant tenant) {
        var about = new Cotas.Details("", "", 150, null, "pedido-1");
        var sms = tenant.perform("send_sms", about);
        var again = tenant.perform("send_sms", about);
        OUT.printf("sms: %d units, %d left%n", sms.units(), sms.available());
        boolean isSame = again.receipt().equals(sms.receipt()) && !sms.receipt().isEmpty();
        OUT.printf(
                "sms with the same key: %s, %s receipt, %d left%n",
                again.replayed() ? "the stored decision" : "a new decision",
                isSame ? "the same" : "another", again.available());
    }

    private static void printStatement(String text) {
        JsonObject statement = JsonParser.parseString(text).getAsJsonObject();
        JsonObject plan = statement.getAsJsonObject("plan");
        for (JsonElement element : statement.getAsJsonArray("balances")) {
            JsonObject balance = element.getAsJsonObject();
            if (balance.get("resource").getAsString().equals("sessions")) {
                OUT.printf(
                        "statement of %s: %s, next due %s, sessions %d of %d%n",
                        statement.get("tenant").getAsString(), plan.get("title").getAsString(),
                        plan.get("next_due").getAsString(), balance.get("available").getAsLong(),
                        balance.get("contracted").getAsLong());
            }
        }
    }

    public static void main(String[] arguments) throws IOException {
        var engine = new Cotas.Engine(Path.of(arguments[0]), at("2026-05-19T12:00:00-03:00"));
        String catalog = Files.readString(Path.of(arguments[1]));
        OUT.printf("catalog %d%n", engine.loadCatalog(catalog, "help_desk.toml"));
        for (int time = 0; time < 2; time++) {
            OUT.println(engine.ensureTenant(DOCUMENT) ? "created" : "there already");
        }
        printError(() -> engine.tenant("açougue"));

        Cotas.Tenant tenant = engine.tenant(TENANT);
        int number = 1;
        while (receive(tenant, number).allowed()) {
            number++;
        }
        OUT.printf("%d contacts were admitted%n", number - 1);
        engine.setTime(at("2026-05-20T08:00:00-03:00"));
        OUT.printf("contact-%d: %s%n", number, shown(receive(tenant, number)));
        OUT.printf("contact-1: %s%n", shown(receive(tenant, 1)));

        printSms(tenant);

        engine.setTime(at("2026-05-20T23:59:59-03:00"));
        OUT.printf("contact-%d: %s%n", number, shown(receive(tenant, number)));
        engine.setTime(at("2026-05-21T00:00:00-03:00"));
        OUT.printf("contact-%d: %s%n", number, shown(receive(tenant, number)));
        printStatement(engine.statement(TENANT));
        tenant.close();
        engine.close();
        printError(() -> engine.statement(TENANT));
    }
}
