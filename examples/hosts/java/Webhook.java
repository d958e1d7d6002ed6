import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A WhatsApp webhook that asks before it answers: POST /webhooks/{tenant}.
 *
 * <pre>
 * javac -cp jna.jar:gson.jar -d build *.java
 * COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... WHATSAPP_VERIFY_TOKEN=... PORT=8080 \
 *     java -cp build:jna.jar:gson.jar Webhook
 * </pre>
 *
 * ../README.md makes the database.
 */
public final class Webhook {
    private static final int BODY_BYTES_MAX = 1 << 20;
    private static final int THREADS = 8;
    /** What each kind of part that opens a session is in the catalog. */
    private static final Map<String, String> ACTIONS = Map.of(
            "message", "receive_message", "call", "receive_call", "template", "template_sent");
    private static final Gson JSON = new GsonBuilder().serializeNulls().create();

    private final Cotas.Engine engine;
    private final SecretKeySpec secret;
    private final byte[] token;

    private Webhook(Cotas.Engine engine, String secret, String token) {
        this.engine = engine;
        this.secret = new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256");
        this.token = token.getBytes(StandardCharsets.UTF_8);
    }

    /** What a body says: of a known form, or not. */
    private record Body(boolean known, List<BodyPart> events, List<Malformed> malformed) {}

    /** All ids of the one contact: decide with the first, and link the others to it. */
    private record BodyPart(
            String kind, boolean opens, String channel, List<String> contacts, String id,
            Long at_ms) {}

    private record Malformed(String path, String rule) {}

    /** A text is answered as it is, anything else as JSON. */
    private record Reply(int status, Object document, boolean isToComeAgain) {
        static Reply problem(int status, String why) {
            return new Reply(status, Map.of("error", why), false);
        }
    }

    private Reply handle(HttpExchange exchange) throws IOException, GeneralSecurityException {
        String[] path = exchange.getRequestURI().getPath().split("/", -1);
        boolean isWebhook = path.length == 3 && path[1].equals("webhooks") && !path[2].isEmpty();
        if (!isWebhook || !List.of("GET", "POST").contains(exchange.getRequestMethod())) {
            return Reply.problem(404, "there is nothing here");
        }
        if (exchange.getRequestMethod().equals("GET")) {
            return subscribe(exchange.getRequestURI().getRawQuery());
        }
        byte[] body = exchange.getRequestBody().readNBytes(BODY_BYTES_MAX + 1);
        if (body.length > BODY_BYTES_MAX) {
            return Reply.problem(413, "the body is too large");
        }
        if (!isSigned(body, exchange.getRequestHeaders().getFirst("X-Hub-Signature-256"))) {
            return Reply.problem(401, "the signature is wrong");
        }
        try {
            Body read = JSON.fromJson(Cotas.whatsappEvents(body), Body.class);
            return read.known()
                    ? answer(path[2], read)
                    : Reply.problem(400, "this is no webhook of WhatsApp");
        } catch (Cotas.Failure failure) {
            return switch (failure.code) {
                case Cotas.Failure.UNKNOWN_TENANT -> Reply.problem(404, "there is no such tenant");
                case Cotas.Failure.INVALID_ARGUMENT -> Reply.problem(400, failure.getMessage());
                default -> {
                    System.err.println("cotas: " + failure.getMessage());
                    yield new Reply(503, Map.of("error", "come again"), true);
                }
            };
        }
    }

    /** Meta asks once whether this is the right place: the token is agreed in its settings. */
    private Reply subscribe(String query) {
        Map<String, String> asked = new HashMap<>();
        for (String pair : Objects.requireNonNullElse(query, "").split("&")) {
            String[] parts = pair.split("=", 2);
            String value = parts.length < 2 ? "" : parts[1];
            asked.put(
                    URLDecoder.decode(parts[0], StandardCharsets.UTF_8),
                    URLDecoder.decode(value, StandardCharsets.UTF_8));
        }
        byte[] given = asked.getOrDefault("hub.verify_token", "").getBytes(StandardCharsets.UTF_8);
        boolean isRight = MessageDigest.isEqual(token, given);
        if (!isRight || !"subscribe".equals(asked.get("hub.mode"))) {
            return Reply.problem(403, "the token is wrong");
        }
        return new Reply(200, asked.getOrDefault("hub.challenge", ""), false);
    }

    /** Asks about each part, and answers each message once: Meta delivers some of them again. */
    private Reply answer(String name, Body body) {
        List<Object> answers = new ArrayList<>();
        List<Object> refused = new ArrayList<>();
        try (Cotas.Tenant tenant = engine.tenant(name)) {
            for (BodyPart part : body.events()) {
                Cotas.Decision decision = decide(tenant, part);
                if (decision == null) {
                    continue;
                }
                if (!decision.allowed()) {
                    // The message is kept; what is not done is the answer.
                    refused.add(refusal(part.id(), decision));
                } else if (part.kind().equals("message") && !decision.replayed()) {
                    // Here the platform sends it. This example reports what it would send.
                    String text = Stream.of(decision.notice(), "Olá! Já vamos atender você.")
                            .filter(Objects::nonNull)
                            .collect(Collectors.joining("\n"));
                    Map<String, Object> sent = new TreeMap<>();
                    sent.put("message", part.id());
                    sent.put("text", text);
                    answers.add(sent);
                }
            }
        }
        List<String> malformed =
                body.malformed().stream().map(it -> it.path() + " " + it.rule()).toList();
        Map<String, Object> document =
                Map.of("answers", answers, "refused", refused, "malformed", malformed);
        return new Reply(200, document, false);
    }

    /** Decides about one part; null: it opens nothing. */
    private static Cotas.Decision decide(Cotas.Tenant tenant, BodyPart part) {
        List<String> contacts = part.contacts();
        for (int index = 1; index < contacts.size(); index++) {
            tenant.linkContact(contacts.get(0), contacts.get(index));
        }
        if (!part.opens()) {
            return null;
        }
        String channel = Objects.requireNonNullElse(part.channel(), "");
        Instant at = Instant.ofEpochMilli(part.at_ms());
        var about = new Cotas.Details(channel, contacts.get(0), 1, at, null);
        Cotas.Decision received = tenant.perform(ACTIONS.get(part.kind()), about);
        if (!received.allowed() || !part.kind().equals("message")) {
            return received;
        }
        var answer = new Cotas.Details(channel, contacts.get(0), 1, null, part.id());
        return tenant.perform("send_message", answer);
    }

    /** Why a message is not answered, with its figures; it is the platform's to show. */
    private static Map<String, Object> refusal(String message, Cotas.Decision decision) {
        Map<String, Object> document = new TreeMap<>();
        document.put("message", message);
        document.put("reason", decision.reason());
        document.put("used", decision.used());
        document.put("limit", decision.limit());
        Instant at = decision.retryAt();
        document.put("retry_at", at == null ? null : at.truncatedTo(ChronoUnit.SECONDS).toString());
        return document;
    }

    private boolean isSigned(byte[] body, String signature) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(secret);
        String expected = "sha256=" + HexFormat.of().formatHex(mac.doFinal(body));
        byte[] given = Objects.requireNonNullElse(signature, "").getBytes(StandardCharsets.UTF_8);
        return MessageDigest.isEqual(expected.getBytes(StandardCharsets.UTF_8), given);
    }

    private void serve(HttpExchange exchange) throws IOException {
        Reply reply;
        try {
            reply = handle(exchange);
        } catch (GeneralSecurityException | RuntimeException fault) {
            fault.printStackTrace();
            reply = Reply.problem(500, "a fault of this server's");
        }
        if (reply.isToComeAgain()) {
            exchange.getResponseHeaders().set("Retry-After", "1");
        }
        boolean isText = reply.document() instanceof String;
        String type = isText ? "text/plain; charset=utf-8" : "application/json";
        exchange.getResponseHeaders().set("Content-Type", type);
        String text = isText ? (String) reply.document() : JSON.toJson(reply.document());
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(reply.status(), body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    public static void main(String[] arguments) throws IOException {
        var engine = new Cotas.Engine(Path.of(System.getenv("COTAS_DB")));
        var webhook = new Webhook(
                engine, System.getenv("WHATSAPP_APP_SECRET"),
                System.getenv("WHATSAPP_VERIFY_TOKEN"));
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
