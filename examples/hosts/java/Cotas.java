import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.function.ToIntBiFunction;
import java.util.function.ToIntFunction;

/** libcotas by JNA. Any thread may use any engine or tenant at any time. */
public final class Cotas {
    private Cotas() {}

    /** Why a call did not do what was asked. A denied request is no failure. */
    public static final class Failure extends RuntimeException {
        public static final int UNKNOWN_TENANT = 400;
        public static final int INVALID_ARGUMENT = 406;

        public final int code;

        Failure(int code, String message) {
            super(message);
            this.code = code;
        }
    }

    /**
     * The answer to a request. A refusal says which rule failed, with its figures. What there is
     * nothing to report is null.
     */
    public record Decision(
            boolean allowed,
            String reason,
            long units,
            long used,
            Long available,
            Long limit,
            Instant retryAt,
            boolean sessionOpened,
            Instant sessionExpiresAt,
            String notice,
            boolean replayed,
            String receipt) {
        private static Decision of(C.Decision from) {
            boolean isFinite = from.mode == C.MODE_FINITE;
            return new Decision(
                    from.allowed == 1,
                    C.textAt(C.cotas_reason_name(from.reason)),
                    from.units,
                    from.used,
                    isFinite ? from.available : null,
                    isFinite ? from.limit : null,
                    instant(from.retry_at_ms),
                    (from.flags & C.FLAG_SESSION_OPENED) != 0,
                    instant(from.session_expires_at_ms),
                    (from.flags & C.FLAG_DEMO_NOTICE) != 0 ? C.textAt(C.cotas_demo_notice()) : null,
                    (from.flags & C.FLAG_REPLAYED) != 0,
                    C.textIn(from.receipt));
        }

        private static Instant instant(long ms) {
            return ms == 0 ? null : Instant.ofEpochMilli(ms);
        }
    }

    /** What an action is about. Empty, 0 or null: nothing of the kind; `at` null: now. */
    public record Details(String channel, String contact, long quantity, Instant at, String key) {
        public static final Details NOTHING = new Details("", "", 1, null, null);
    }

    /** What a webhook's body says, its parts and which open a session: a JSON document. */
    public static String whatsappEvents(byte[] body) {
        return C.document((space, needed, error) -> C.cotas_whatsapp_events(
                body, body.length, space, space.length, needed, error));
    }

    /** The quota engine of one database. */
    public static final class Engine implements AutoCloseable {
        private final Pointer handle;

        public Engine(Path database) {
            this(database, null);
        }

        /** With a clock of its own, for tests, unless `now` is null. */
        public Engine(Path database, Instant now) {
            byte[] path = C.bytes(database.toString());
            Pointer options = C.opened((to, error) -> C.cotas_options_new(to, error));
            try {
                if (now != null) {
                    long ms = now.toEpochMilli();
                    C.call(error -> C.cotas_options_set_time(options, ms, error));
                }
                handle = C.opened((to, error) ->
                        C.cotas_engine_open(path, path.length, options, to, error));
            } finally {
                C.cotas_options_close(options);
            }
        }

        public void setTime(Instant now) {
            C.call(error -> C.cotas_engine_set_time(handle, now.toEpochMilli(), error));
        }

        /** Puts a catalog in force and gives its number. */
        public long loadCatalog(String text, String name) {
            byte[] catalog = C.bytes(text);
            byte[] called = C.bytes(name);
            LongByReference version = new LongByReference();
            C.call(error -> C.cotas_load_catalog(
                    handle, catalog, catalog.length, called, called.length, version, error));
            return version.getValue();
        }

        /** Calls an operation of the control plane (docs/operations.md) with a JSON object. */
        public String call(String operation, String arguments) {
            byte[] name = C.bytes(operation);
            byte[] json = C.bytes(arguments);
            return C.document((space, needed, error) -> C.cotas_call(
                    handle, name, name.length, json, json.length, null, 0, space, space.length,
                    needed, error));
        }

        /** Creates a tenant of its document, JSON. False if there is one of that name already. */
        public boolean ensureTenant(String document) {
            return call("ensure_tenant", "{\"form\": " + document + "}").equals("true");
        }

        public Tenant tenant(String name) {
            byte[] text = C.bytes(name);
            return new Tenant(C.opened((to, error) ->
                    C.cotas_tenant_open(handle, text, text.length, to, error)));
        }

        /** What a tenant subscribed to, has left and owes: a JSON document. */
        public String statement(String tenant) {
            return call("statement", "{\"tenant\": " + C.quoted(tenant) + "}");
        }

        /** Closing the last engine of a process writes what is not on disk yet. */
        @Override
        public void close() {
            C.cotas_engine_close(handle);
        }
    }

    /** A tenant, found once and used many times. */
    public static final class Tenant implements AutoCloseable {
        private final Pointer handle;

        private Tenant(Pointer handle) {
            this.handle = handle;
        }

        /** May this tenant do an action of the catalog now? If so, what it charges is used up. */
        public Decision perform(String action, Details about) {
            byte[] name = C.bytes(action);
            byte[] channel = C.bytes(about.channel());
            byte[] contact = C.bytes(about.contact());
            byte[] key = about.key() == null ? null : C.bytes(about.key());
            long at = about.at() == null ? 0 : about.at().toEpochMilli();
            C.Decision decision = new C.Decision();
            decision.struct_size = decision.size();
            C.call(error -> C.cotas_perform(
                    handle, name, name.length, channel, channel.length, contact, contact.length,
                    about.quantity(), at, key, key == null ? 0 : key.length, decision, error));
            return Decision.of(decision);
        }

        /** Makes two ids one contact. */
        public void linkContact(String one, String other) {
            byte[] first = C.bytes(one);
            byte[] second = C.bytes(other);
            C.call(error -> C.cotas_link_contact(
                    handle, first, first.length, second, second.length, error));
        }

        @Override
        public void close() {
            C.cotas_tenant_close(handle);
        }
    }

    /** The functions of the library. */
    private static final class C {
        static {
            Native.register("libcotas.so.1");
        }

        static final int OK = 0;
        static final int E_BUFFER = 5;
        static final int MODE_FINITE = 1;
        static final int FLAG_DEMO_NOTICE = 2;
        static final int FLAG_REPLAYED = 8;
        static final int FLAG_SESSION_OPENED = 16;

        @Structure.FieldOrder({"struct_size", "code", "message"})
        public static final class Error extends Structure {
            public int struct_size;
            public int code;
            public byte[] message = new byte[256];
        }

        @Structure.FieldOrder({
            "struct_size", "allowed", "reason", "reasons", "shadowed", "flags", "resource", "mode",
            "units", "used", "available", "limit", "retry_at_ms", "session_expires_at_ms",
            "lease_expires_at_ms", "fencing", "reservation", "receipt", "charge_count", "reserved",
            "charges"
        })
        public static final class Decision extends Structure {
            public int struct_size;
            public int allowed;
            public int reason;
            public int reasons;
            public int shadowed;
            public int flags;
            public int resource;
            public int mode;
            public long units;
            public long used;
            public long available;
            public long limit;
            public long retry_at_ms;
            public long session_expires_at_ms;
            public long lease_expires_at_ms;
            public long fencing;
            public byte[] reservation = new byte[40];
            public byte[] receipt = new byte[40];
            public int charge_count;
            public int reserved;
            public long[] charges = new long[12];
        }

        static native Pointer cotas_reason_name(int reason);

        static native Pointer cotas_demo_notice();

        static native int cotas_options_new(PointerByReference options, Error error);

        static native int cotas_options_set_time(Pointer options, long ms, Error error);

        static native int cotas_options_close(Pointer options);

        static native int cotas_engine_open(
                byte[] path, long length, Pointer options, PointerByReference engine, Error error);

        static native int cotas_engine_set_time(Pointer engine, long ms, Error error);

        static native int cotas_engine_close(Pointer engine);

        static native int cotas_load_catalog(
                Pointer engine, byte[] text, long length, byte[] name, long nameLength,
                LongByReference version, Error error);

        static native int cotas_call(
                Pointer engine, byte[] operation, long operationLength, byte[] arguments,
                long argumentsLength, byte[] key, long keyLength, byte[] buffer, long capacity,
                LongByReference needed, Error error);

        static native int cotas_tenant_open(
                Pointer engine, byte[] name, long length, PointerByReference tenant, Error error);

        static native int cotas_tenant_close(Pointer tenant);

        static native int cotas_link_contact(
                Pointer tenant, byte[] one, long length, byte[] other, long otherLength,
                Error error);

        static native int cotas_whatsapp_events(
                byte[] body, long length, byte[] buffer, long capacity, LongByReference needed,
                Error error);

        static native int cotas_perform(
                Pointer tenant, byte[] action, long actionLength, byte[] channel,
                long channelLength, byte[] contact, long contactLength, long quantity, long at,
                byte[] key, long keyLength, Decision decision, Error error);

        /** Calls a function. Gives OK or E_BUFFER. */
        static int call(ToIntFunction<Error> function) {
            Error error = new Error();
            error.struct_size = error.size();
            int code = function.applyAsInt(error);
            if (code != OK && code != E_BUFFER) {
                throw new Failure(code, textIn(error.message));
            }
            return code;
        }

        /** A function that writes a document into a buffer. */
        interface Writer {
            int write(byte[] space, LongByReference needed, Error error);
        }

        /** The JSON document that a function writes. */
        static String document(Writer writer) {
            byte[] buffer = new byte[4096];
            while (true) { // What is reported may have grown since its length was asked.
                byte[] space = buffer;
                LongByReference needed = new LongByReference();
                if (call(error -> writer.write(space, needed, error)) == OK) {
                    return textIn(space);
                }
                buffer = new byte[Math.toIntExact(needed.getValue())];
            }
        }

        /** The handle that a function puts at the given place. */
        static Pointer opened(ToIntBiFunction<PointerByReference, Error> function) {
            PointerByReference to = new PointerByReference();
            call(error -> function.applyAsInt(to, error));
            return to.getValue();
        }

        /** A text as JSON has it. */
        static String quoted(String text) {
            StringBuilder quoted = new StringBuilder("\"");
            for (char each : text.toCharArray()) {
                boolean plain = each >= ' ' && each != '"' && each != '\\';
                quoted.append(plain ? String.valueOf(each) : String.format("\\u%04x", (int) each));
            }
            return quoted.append('"').toString();
        }

        static byte[] bytes(String text) {
            return text.getBytes(StandardCharsets.UTF_8);
        }

        /** The text that a zero byte ends. */
        static String textIn(byte[] bytes) {
            int length = 0;
            while (length < bytes.length && bytes[length] != 0) {
                length++;
            }
            return new String(bytes, 0, length, StandardCharsets.UTF_8);
        }

        /** The text at a pointer; null where there is none. */
        static String textAt(Pointer pointer) {
            return pointer == null ? null : pointer.getString(0, "UTF-8");
        }
    }
}
