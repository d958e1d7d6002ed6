/* Every function with one argument wrong at a time, whichever it is: NULL, a handle that is closed
 * or of another type, no UTF-8, a struct of a size that it never had, no place for the answer; and
 * every buffer of 0 bytes, of 1, of one too few, and of exactly as many as it takes. What is wrong
 * is reported by its number and changes nothing. misuse.c has several at a time, by chance.
 *
 * Usage: each [all]; "all": with what may be left out as well, for which every call gets an engine
 * of its own. Texts and structs are as long as is said and no longer, which Valgrind watches. */
#include "test.h"

struct text {
    const char *at;
    size_t len;
};

struct space {
    char *at;
    size_t capacity;
};

struct function {
    const char *name;
    int32_t (*call)(void);
    int32_t (*nothing)(void);
};

/* ---- what is wrong ------------------------------------------------------------------------ */

enum wrong {
    NULL_HANDLE,
    CLOSED_HANDLE,
    FOREIGN_HANDLE,
    NULL_TEXT,
    NO_UTF8,
    NULL_STRUCT,
    STRUCT_OF_0,
    STRUCT_TOO_SMALL,
    STRUCT_TOO_LARGE,
    NULL_BUFFER,
    NULL_NEW_HANDLE,
    /* What may be left out. */
    NULL_ERROR,
    NULL_PLACE,
    NOTHING,
};

static const int32_t REPORTED[] = {
    COTAS_E_NULL,        COTAS_E_HANDLE,      COTAS_E_HANDLE,      COTAS_E_NULL,
    COTAS_E_UTF8,        COTAS_E_NULL,        COTAS_E_STRUCT_SIZE, COTAS_E_STRUCT_SIZE,
    COTAS_E_STRUCT_SIZE, COTAS_E_NULL,        COTAS_E_NULL,
};

/* What is wrong, with which of the arguments that it can be wrong with; and how many of those the
 * last call had, of each kind. */
static enum wrong wrong = NOTHING;
static unsigned wrong_at, met[NOTHING];

static int is(enum wrong what) {
    unsigned at = met[what]++;
    return wrong == what && wrong_at == at;
}

/* ---- arguments, right but for that ---------------------------------------------------------- */

static void *handles[3], *closed[3];
static char receipt[40], reservation[40], answer[65536];
static size_t capacity = sizeof answer;
static uint64_t places[4];
static unsigned places_used;
static cotas_error reported;
/* What the call's arguments point to, until the next call. */
static void *borrowed[16];
static unsigned borrowed_count;

static void *lend(size_t size) {
    void *made = malloc(size);
    CHECK(made != NULL && borrowed_count < sizeof borrowed / sizeof borrowed[0]);
    borrowed[borrowed_count++] = made;
    return made;
}

static void take_back(void) {
    while (borrowed_count > 0) {
        free(borrowed[--borrowed_count]);
    }
}

static void *a_handle(unsigned type) {
    int none = is(NULL_HANDLE), gone = is(CLOSED_HANDLE), other = is(FOREIGN_HANDLE);
    return none ? NULL : gone ? closed[type] : handles[other ? (type + 1) % 3 : type];
}

static uint32_t a_size(size_t size) {
    int none = is(STRUCT_OF_0), small = is(STRUCT_TOO_SMALL), large = is(STRUCT_TOO_LARGE);
    return none ? 0 : small ? 7 : large ? UINT32_MAX : (uint32_t)size;
}

/* The same text with nothing after it. */
static struct text exactly(struct text text) {
    char *copy = lend(text.len + (text.len == 0));
    memcpy(copy, text.at, text.len);
    text.at = copy;
    return text;
}

/* The name of the function that is called. */
static const char *calling = "";

static const char *a_resource(void) {
    return strstr(calling, "_lease_")   ? "calls"
           : strstr(calling, "_meter_") ? "storage"
           : strstr(calling, "_rate_")  ? "pair"
           : strstr(calling, "_admit")  ? "sessions"
           : strstr(calling, "_seat")   ? "channels"
           : strstr(calling, "_chan")   ? "channels"
                                        : "sms";
}

static struct text some_bytes(const char *name) {
    static const char *const TEXTS[][2] = {
        {"tenant", "padaria"},
        {"action", "seal"},
        {"name", "recording"},
        {"token", "a secret token"},
        {"gateway", "asaas"},
        {"directory", "."},
        {"path", "each.db"},
        {"backup", "each-backup.db"},
        {"units_json", "{\"sms\": 1}"},
        {"contacts_json", "[\"c-1042\"]"},
        {"operation", "balances"},
        {"arguments_json", "{\"tenant\": \"padaria\"}"},
    };
    struct text text = {"", 0};
    size_t index;
    if (is(NULL_TEXT)) {
        text.at = NULL;
        text.len = 3;
        return text;
    }
    if (strcmp(name, "key") == 0 && strcmp(calling, "cotas_call") == 0) {
        text.at = NULL; /* What only reads takes none. */
        return text;
    }
    for (index = 0; index < sizeof TEXTS / sizeof TEXTS[0]; index++) {
        if (strcmp(TEXTS[index][0], name) == 0) {
            text.at = TEXTS[index][1];
        }
    }
    if (strcmp(name, "action") == 0 && strstr(calling, "quote_contacts") != NULL) {
        text.at = "send_message"; /* It opens a session. */
    }
    if (strcmp(name, "body") == 0 && strstr(calling, "whatsapp_events") != NULL) {
        text.at = "{}";
    }
    text.at = strcmp(name, "resource") == 0      ? a_resource()
              : strcmp(name, "receipt") == 0     ? receipt
              : strcmp(name, "reservation") == 0 ? reservation
                                                 : text.at;
    text.len = strlen(text.at);
    return exactly(text);
}

static struct text a_text(const char *name) {
    struct text text = some_bytes(name);
    if (is(NO_UTF8)) {
        text.at = "\xff\xfe";
        text.len = 2;
    }
    return text;
}

static void *a_struct(size_t size) {
    void *made = lend(size);
    uint32_t said = a_size(size);
    memset(made, 0xff, size);
    memcpy(made, &said, sizeof said);
    return is(NULL_STRUCT) ? NULL : made;
}

static cotas_decision *a_decision(void) {
    return a_struct(sizeof(cotas_decision));
}

static cotas_payment *a_payment(void) {
    return a_struct(sizeof(cotas_payment));
}

static cotas_error *a_error(void) {
    reported.code = -1;
    reported.struct_size = a_size(sizeof reported);
    return is(NULL_ERROR) ? NULL : &reported;
}

static struct space a_space(void) {
    struct space space = {is(NULL_BUFFER) ? NULL : answer, capacity};
    return space;
}

static void *a_place(void) {
    return is(NULL_PLACE) ? NULL : &places[places_used++ % 4];
}

static int may_be_null(void) {
    return is(NULL_NEW_HANDLE);
}

static uint64_t a_number(void) {
    return 1;
}

static int64_t a_time(void) {
    return MAY_19;
}

static int64_t a_moment(void) {
    return 0;
}

static void keep(unsigned type, void *made) {
    OK(type == 0   ? cotas_options_close(made)
       : type == 1 ? cotas_engine_close(made)
                   : cotas_tenant_close(made));
}

#include "calls.h"

/* ---- the calls ------------------------------------------------------------------------------ */

static void close_all(void) {
    (void)cotas_options_close(handles[0]);
    (void)cotas_tenant_close(handles[2]);
    (void)cotas_engine_close(handles[1]);
}

static void open_all(void) {
    cotas_options *options = NULL;
    cotas_decision decision = empty_decision();
    OK(cotas_options_new(&options, &error));
    handles[0] = options;
    handles[1] = open_engine();
    handles[2] = open_tenant(handles[1]);
    OK(cotas_seat_occupy(handles[2], TEXT("channels"), TEXT("w-1"), 0, TEXT("a secret token"),
                         &decision, &error));
    OK(cotas_consume(handles[2], TEXT("sms"), 1, TEXT("order-1"), &decision, &error));
    strcpy(receipt, decision.receipt);
    OK(cotas_reserve(handles[2], TEXT("{\"sms\": 1}"), 60000, NONE, &decision, &error));
    strcpy(reservation, decision.reservation);
}

static int32_t call(const struct function *function, enum wrong what, unsigned at) {
    int32_t code;
    calling = function->name;
    wrong = what;
    wrong_at = at;
    places_used = 0;
    memset(met, 0, sizeof met);
    memset(answer, 'x', sizeof answer);
    code = function->call();
    take_back();
    wrong = NOTHING;
    return code;
}

/* With handles that are not spoilt. */
static int32_t call_again(const struct function *function, enum wrong what, unsigned at) {
    close_all();
    open_all();
    return call(function, what, at);
}

static void expect(int condition, const struct function *function, enum wrong what, int32_t code) {
    if (!condition) {
        fprintf(stderr, "%s with wrong %d returned %d: %s\n", function->name, (int)what, (int)code,
                reported.message);
        abort();
    }
}

/* Where NULL stands for something: nothing to close, no options. */
static int takes_null(const struct function *function, enum wrong what) {
    return what == NULL_HANDLE && (strstr(function->name, "_close") != NULL ||
                                   strcmp(function->name, "cotas_doctor") == 0 ||
                                   strcmp(function->name, "cotas_restore") == 0 ||
                                   strncmp(function->name, "cotas_engine_open", 17) == 0);
}

static void say_state(char *state, size_t half) {
    static const char *const ASKED[] = {"balances", "audit_trail"};
    size_t index;
    for (index = 0; index < 2; index++) {
        OK(cotas_call(handles[1], TEXT(ASKED[index]), TEXT("{\"tenant\": \"padaria\"}"), NONE,
                      state + index * half, half, NULL, &error));
    }
}

/* `has`: how many arguments of the function each can be wrong with. */
static unsigned with_one_wrong(const struct function *function, const unsigned *has) {
    static char before[2][8192], after[2][8192];
    unsigned at, count = 0;
    enum wrong what;
    say_state(before[0], sizeof before[0]);
    for (what = NULL_HANDLE; what < NULL_ERROR; what++) {
        for (at = 0; at < has[what] && !takes_null(function, what); at++) {
            int32_t code = call(function, what, at);
            expect(code == REPORTED[what], function, what, code);
            expect(reported.struct_size != sizeof reported || has[NULL_ERROR] == 0 || reported.code == code,
                   function, what, code);
            count++;
        }
    }
    say_state(after[0], sizeof after[0]);
    expect(memcmp(before, after, sizeof before) == 0, function, what, 0);
    return count;
}

/* What may be left out changes nothing, and what may not is an error. */
static void with_something_left_out(const struct function *function, const unsigned *has) {
    int32_t right = call_again(function, NOTHING, 0), code;
    unsigned at;
    for (at = 0; at < has[NULL_ERROR]; at++) {
        code = call_again(function, NULL_ERROR, at);
        expect(code == right, function, NULL_ERROR, code);
    }
    for (at = 0; at < has[NULL_PLACE]; at++) {
        code = call_again(function, NULL_PLACE, at);
        expect(code == right || code == COTAS_E_NULL, function, NULL_PLACE, code);
    }
    close_all();
    open_all();
}

/* Of no space at all, of 1 byte, of one too few, and of exactly as many as it takes. */
static void with_buffers(const struct function *function) {
    int32_t right = call(function, NOTHING, 0);
    size_t needed = (size_t)places[0], sizes[4], index;
    expect(right == COTAS_OK, function, NULL_BUFFER, right);
    expect(answer[needed - 1] == '\0' && answer[needed] == 'x', function, NULL_BUFFER, right);
    sizes[0] = 0;
    sizes[1] = needed > 1 ? 1 : 0;
    sizes[2] = needed - 1;
    sizes[3] = needed;
    for (index = 0; index < 4; index++) {
        int32_t code;
        capacity = sizes[index];
        code = call(function, NOTHING, 0);
        right = capacity < needed ? COTAS_E_BUFFER : COTAS_OK;
        expect(code == right && places[0] == needed, function, NULL_BUFFER, code);
        expect(answer[capacity] == 'x', function, NULL_BUFFER, code);
        if (0 < capacity && capacity < needed) {
            expect(answer[0] == '\0', function, NULL_BUFFER, code);
        }
    }
    capacity = sizeof answer;
}

int main(int count, char **arguments) {
    size_t index;
    unsigned wrongs = 0, buffers = 0;
    int type, all = count == 2 && strcmp(arguments[1], "all") == 0;
    open_all();
    for (type = 0; type < 3; type++) {
        closed[type] = handles[type];
    }
    close_all();
    open_all();
    for (index = 0; index < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; index++) {
        const struct function *function = &FUNCTIONS[index];
        unsigned has[NOTHING];
        /* To learn what it takes, by a call that does nothing: without a handle. */
        (void)call(function, NULL_HANDLE, 0);
        memcpy(has, met, sizeof has);
        wrongs += with_one_wrong(function, has);
        if (has[NULL_BUFFER] > 0) {
            with_buffers(function);
            buffers++;
        }
        if (all) {
            with_something_left_out(function, has);
        }
    }
    close_all();
    printf("%zu functions, wrong in %u ways; %u buffers\n", index, wrongs, buffers);
    return 0;
}
