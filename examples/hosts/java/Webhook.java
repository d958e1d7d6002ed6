import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A WhatsApp Cloud API webhook that asks before it answers: POST /webhooks/{tenant}.
 *
 * <pre>
 * javac -cp jna.jar:gson.jar -d build *.java
 * COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... PORT=8080 java -cp build:jna.jar:gson.jar Webhook
 * </pre>
 *
 * ../README.md makes the database.
 */
public final class Webhook {
    private static final int BODY_BYTES_MAX = 1 << 20;
    private static final int THREADS = 8;
    private static final Set<String> TO_BE_PAID = Set.of(
            "quota_exhausted", "not_in_plan", "plan_lapsed", "no_subscription",
            "subscription_pending", "demo_expired");
    private static final Gson JSON = new GsonBuilder().serializeNulls().create();

    private final Cotas.Engine engine;
    private final SecretKeySpec secret;

    private Webhook(Cotas.Engine engine, String secret) {
        this.engine = engine;
        this.secret = new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256");
    }

    private record Message(String id, String channel, String contact, Instant at) {}

    private record Reply(int status, Map<String, Object> document, Instant retryAt) {
        static Reply problem(int status, String why) {
            return new Reply(status, Map.of("error", why), null);
        }
    }

    /** A body that is no webhook. */
    private static final class Malformed extends RuntimeException {}

    private Reply handle(HttpExchange exchange) throws IOException, GeneralSecurityException {
        String[] path = exchange.getRequestURI().getPath().split("/", -1);
        boolean isWebhook = path.length == 3 && path[1].equals("webhooks") && !path[2].isEmpty();
        if (!isWebhook || !exchange.getRequestMethod().equals("POST")) {
            return Reply.problem(404, "there is nothing here");
        }
        byte[] body = exchange.getRequestBody().readNBytes(BODY_BYTES_MAX + 1);
        if (body.length > BODY_BYTES_MAX) {
            return Reply.problem(413, "the body is too large");
        }
        if (!isSigned(body, exchange.getRequestHeaders().getFirst("X-Hub-Signature-256"))) {
            return Reply.problem(401, "the signature is wrong");
        }
        try {
            return answer(path[2], messages(new String(body, StandardCharsets.UTF_8)));
        } catch (Malformed malformed) {
            return Reply.problem(400, "this is no webhook of WhatsApp");
        } catch (Cotas.Failure failure) {
            return switch (failure.code) {
                case Cotas.Failure.UNKNOWN_TENANT -> Reply.problem(404, "there is no such tenant");
                case Cotas.Failure.INVALID_ARGUMENT -> Reply.problem(400, failure.getMessage());
                default -> {
                    System.err.println("cotas: " + failure.getMessage());
                    yield new Reply(503, Map.of("error", "come again"), Instant.now());
                }
            };
        }
    }

    /** Asks, and answers each message once: Meta delivers some of them again. */
    private Reply answer(String name, List<Message> messages) {
        List<Object> answers = new ArrayList<>();
        try (Cotas.Tenant tenant = engine.tenant(name)) {
            for (Message it : messages) {
                var about = new Cotas.Details(it.channel(), it.contact(), 1, it.at(), null);
                var received = tenant.perform("receive_message", about);
                if (!received.allowed()) {
                    return refusal(received);
                }
                var answer = new Cotas.Details(it.channel(), it.contact(), 1, null, it.id());
                var sent = tenant.perform("send_message", answer);
                if (!sent.allowed()) {
                    return refusal(sent);
                }
                if (!sent.replayed()) {
                    // Here the platform sends it. This example tells what it would send.
                    String text = Stream.of(sent.notice(), "Olá! Já vamos atender você.")
                            .filter(Objects::nonNull)
                            .collect(Collectors.joining("\n"));
                    answers.add(Map.of("message", it.id(), "text", text));
                }
            }
        }
        return new Reply(200, Map.of("answers", answers), null);
    }

    /** What a refusal is over HTTP: to be paid, too fast, or forbidden; and when to come again. */
    private static Reply refusal(Cotas.Decision decision) {
        boolean isToBePaid = TO_BE_PAID.contains(decision.reason());
        int status = decision.reason().equals("rate_exceeded") ? 429 : isToBePaid ? 402 : 403;
        Map<String, Object> document = new TreeMap<>();
        document.put("reason", decision.reason());
        document.put("used", decision.used());
        document.put("limit", decision.limit());
        Instant at = decision.retryAt();
        document.put("retry_at", at == null ? null : at.truncatedTo(ChronoUnit.SECONDS).toString());
        return new Reply(status, document, at);
    }

    private boolean isSigned(byte[] body, String signature) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(secret);
        String expected = "sha256=" + HexFormat.of().formatHex(mac.doFinal(body));
        byte[] told = Objects.requireNonNullElse(signature, "").getBytes(StandardCharsets.UTF_8);
        return MessageDigest.isEqual(expected.getBytes(StandardCharsets.UTF_8), told);
    }

    /** The messages of a webhook's body, whatever else is in it. */
    private static List<Message> messages(String body) {
        List<Message> messages = new ArrayList<>();
        for (JsonElement entry : items(parsed(body), "entry")) {
            for (JsonElement change : items(entry, "changes")) {
                JsonElement value = member(change, "value");
                if (!value.isJsonObject() || !value.getAsJsonObject().has("messages")) {
                    continue;
                }
                String channel = text(member(value, "metadata"), "phone_number_id");
                for (JsonElement it : items(value, "messages")) {
                    Instant at = instant(text(it, "timestamp"));
                    messages.add(new Message(text(it, "id"), channel, text(it, "from"), at));
                }
            }
        }
        return messages;
    }

    private static JsonElement parsed(String body) {
        try {
            return JsonParser.parseString(body);
        } catch (JsonParseException malformed) {
            throw new Malformed();
        }
    }

    private static JsonElement member(JsonElement of, String name) {
        JsonObject object = of.isJsonObject() ? of.getAsJsonObject() : new JsonObject();
        if (!object.has(name)) {
            throw new Malformed();
        }
        return object.get(name);
    }

    private static Iterable<JsonElement> items(JsonElement of, String name) {
        JsonElement found = member(of, name);
        if (!found.isJsonArray()) {
            throw new Malformed();
        }
        return found.getAsJsonArray();
    }

    private static String text(JsonElement of, String name) {
        JsonElement found = member(of, name);
        if (!found.isJsonPrimitive() || !found.getAsJsonPrimitive().isString()) {
            throw new Malformed();
        }
        return found.getAsString();
    }

    /** A timestamp of WhatsApp's: seconds since 1970 as text. */
    private static Instant instant(String seconds) {
        if (!seconds.matches("[0-9]{1,11}")) {
            throw new Malformed();
        }
        return Instant.ofEpochSecond(Long.parseLong(seconds));
    }

    private void serve(HttpExchange exchange) throws IOException {
        Reply reply;
        try {
            reply = handle(exchange);
        } catch (GeneralSecurityException | RuntimeException fault) {
            fault.printStackTrace();
            reply = Reply.problem(500, "a fault of this server's");
        }
        if (reply.retryAt() != null) {
            long ms = Duration.between(Instant.now(), reply.retryAt()).toMillis();
            long seconds = Math.max(1, -Math.floorDiv(-ms, 1000));
            exchange.getResponseHeaders().set("Retry-After", Long.toString(seconds));
        }
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        byte[] body = JSON.toJson(reply.document()).getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(reply.status(), body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    public static void main(String[] arguments) throws IOException {
        var engine = new Cotas.Engine(Path.of(System.getenv("COTAS_DB")));
        var webhook = new Webhook(engine, System.getenv("WHATSAPP_APP_SECRET"));
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        server.setExecutor(threads);
        server.createContext("/", webhook::serve);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(1);
            threads.shutdown();
            engine.close(); // It writes what is not on disk yet.
        }));
        server.start();
    }
}
