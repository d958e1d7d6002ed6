/* Misuse never crashes the host: sequences of calls with random arguments, whose pointers are valid
 * or NULL, by several threads that share their handles. Also every function with nothing but 0.
 * Usage: misuse SECONDS SEED */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "test.h"

#define THREADS 3
#define HANDLES 12

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

static const struct {
    const char *name;
    const char *text;
} TEXTS[] = {
    {"tenant", "padaria"},
    {"tenant", "oficina"},
    {"name", "padaria"},
    {"name", "oficina"},
    {"name", "sessions"},
    {"name", "recording"},
    {"name", "c.toml"},
    {"name", "c.json"},
    {"resource", "sessions"},
    {"resource", "credits"},
    {"resource", "sms"},
    {"resource", "users"},
    {"resource", "channels"},
    {"resource", "calls"},
    {"resource", "storage"},
    {"resource", "pair"},
    {"action", "receive_message"},
    {"action", "send_sms"},
    {"action", "seal"},
    {"action", "begin_call"},
    {"gateway", "asaas"},
    {"gateway", "pagarme"},
    {"contact", "c-1"},
    {"contact", "c-2"},
    {"one", "c-1"},
    {"other", "c-2"},
    {"other", "ana@example.com"},
    {"channel", "whatsapp-1"},
    {"holder", "ana@example.com"},
    {"holder", "call-1"},
    {"subject", "c-1"},
    {"key", "order-1"},
    {"key", "order-2"},
    {"token", "a token of a channel"},
    {"token", "short"},
    {"path", "one.db"},
    {"path", "two.db"},
    {"path", "."},
    {"path", "/proc/self/mem"},
    {"directory", "live"},
    {"units_json", "{\"sms\": 1, \"credits\": 2}"},
    {"units_json", "{\"sms\": -1}"},
    {"details_json", "{\"channel\": \"w\", \"contact\": \"c-1\", \"holder\": \"h\"}"},
    {"details_json", "{\"quantity\": 3, \"at\": \"2026-05-19T12:00:00Z\"}"},
    {"details_json", "{\"contact\": \"\\u0000\", \"tariff\": 99}"},
    {"operation", "create_tenant"},
    {"operation", "ensure_tenants"},
    {"operation", "set_limit"},
    {"operation", "set_status"},
    {"operation", "grant"},
    {"operation", "change_plan"},
    {"operation", "buy"},
    {"operation", "apply_payment"},
    {"operation", "statement"},
    {"operation", "page"},
    {"operation", "usage"},
    {"operation", "export"},
    {"operation", "verify"},
    {"operation", "maintain"},
    {"operation", "checkpoint"},
    {"operation", "backup"},
    {"operation", "tenants"},
    {"arguments_json", "{}"},
    {"arguments_json", "{\"tenant\": \"padaria\"}"},
    {"arguments_json", "{\"form\": {\"name\": \"padaria\", \"plan\": {\"name\": \"starter\", "
                       "\"first_due\": \"2026-05-20\", \"auto_renew\": true}}}"},
    {"arguments_json", "{\"form\": {\"name\": \"\", \"limits\": {\"none\": 3}}}"},
    {"arguments_json", "{\"forms\": [{\"name\": \"oficina\"}, {\"name\": \"mercado\"}]}"},
    {"arguments_json", "{\"tenant\": \"padaria\", \"resource\": \"sms\", \"limit\": 7}"},
    {"arguments_json", "{\"tenant\": \"padaria\", \"resource\": \"sms\", \"units\": 7}"},
    {"arguments_json", "{\"tenant\": \"padaria\", \"status\": \"suspended\"}"},
    {"arguments_json", "{\"tenant\": \"padaria\", \"plan\": \"full\", \"usage\": \"carry\"}"},
    {"arguments_json", "{\"tenant\": \"padaria\", \"package\": \"channels\", \"quantity\": 1}"},
    {"arguments_json", "{\"tenant\": \"padaria\", \"interval\": \"day\"}"},
    {"arguments_json", "{\"tenant\": \"padaria\", \"what\": \"plan\", \"language\": \"pt\"}"},
    {"arguments_json", "{\"event\": {\"gateway\": \"asaas\", \"id\": \"evt_2\", \"kind\": "
                       "\"paid\", \"payment\": \"p\", \"reference\": \"1\"}}"},
    {"arguments_json", "{\"target\": \"backup.db\"}"},
    {"source", "a log"},
    {"body", "{\"id\": \"evt_1\", \"event\": \"PAYMENT_RECEIVED\", \"payment\": {\"id\": \"p\"}}"},
    {"text", CATALOG},
    {"text", "[catalog"},
    {"reservation", "r-1-1-1"},
    {"receipt", "c-1-1-1"},
    {"", ""},
    {"", "\xff\xfe"},
    {"", "[[[[[[[[[[[[[[[[[[[[[[[["},
    {"", "ção"},
    {"", "-1"},
};

static _Thread_local uint64_t state;
static _Thread_local char space[2][4096];
static _Thread_local uint64_t places[4];
static _Thread_local union {
    uint32_t struct_size;
    cotas_decision decision;
    cotas_payment payment;
    cotas_error error;
    char bytes[1024];
} structs[4];
static _Atomic(void *) handles[3][HANDLES];

static uint64_t random_word(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int one_in(unsigned count) {
    return random_word() % count == 0;
}

static int may_be_null(void) {
    return one_in(50);
}

static struct text a_text(const char *name) {
    size_t count = sizeof TEXTS / sizeof TEXTS[0], index = random_word() % count, tries;
    struct text text;
    if (may_be_null()) {
        text.at = NULL;
        text.len = one_in(2) ? 0 : 5;
        return text;
    }
    if (one_in(30)) {
        memset(space[0], 'x', sizeof space[0]);
        text.at = space[0];
        text.len = random_word() % sizeof space[0];
        return text;
    }
    for (tries = 0; tries < 200 && !one_in(100); tries++) {
        index = random_word() % count;
        if (strcmp(TEXTS[index].name, name) == 0) {
            break;
        }
    }
    /* What an earlier decision of this thread named. */
    if (strcmp(name, "reservation") == 0 && structs[0].decision.reservation[0] == 'r') {
        text.at = structs[0].decision.reservation;
    } else if (strcmp(name, "receipt") == 0 && structs[0].decision.receipt[0] == 'c') {
        text.at = structs[0].decision.receipt;
    } else {
        text.at = TEXTS[index].text;
    }
    text.len = strlen(text.at);
    if (text.len > 0 && one_in(20)) {
        text.len = random_word() % text.len;
    }
    return text;
}

static struct text some_bytes(const char *name) {
    return a_text(name);
}

static uint64_t a_number(void) {
    static const uint64_t NUMBERS[] = {0, 1, 1, 1, 2, 3, 10, 60000, 99999, UINT64_MAX, INT64_MAX};
    uint64_t number = NUMBERS[random_word() % (sizeof NUMBERS / sizeof NUMBERS[0])];
    return one_in(10) ? random_word() : one_in(10) ? (uint64_t)MAY_19 + number : number;
}

/* Not all of time: to settle eight thousand years month by month, as a confirmed clock asks for,
 * takes minutes. */
static int64_t a_time(void) {
    return one_in(20) ? INT64_MIN : MAY_19 + (int64_t)(random_word() % 2000) * DAY;
}

/* When something happens, or 0: now, never, or from the first. */
static int64_t a_moment(void) {
    return one_in(2) ? 0 : one_in(10) ? (int64_t)a_number() : a_time();
}

static void *a_handle(unsigned type) {
    if (may_be_null()) {
        return NULL;
    }
    if (one_in(50)) {
        return (void *)(uintptr_t)random_word();
    }
    if (one_in(20)) {
        type = random_word() % 3;
    }
    return atomic_load(&handles[type][one_in(3) ? random_word() % HANDLES : 0]);
}

static int32_t close_handle(unsigned type, void *handle) {
    return type == 0   ? cotas_options_close(handle)
           : type == 1 ? cotas_engine_close(handle)
                       : cotas_tenant_close(handle);
}

/* Puts a handle where another was, which is closed, also while it is in use. */
static void put(unsigned type, size_t place, void *made) {
    (void)close_handle(type, atomic_exchange(&handles[type][place], made));
}

/* Keeps a new handle, in any place but the first. */
static void keep(unsigned type, void *made) {
    if (made != NULL) {
        put(type, 1 + random_word() % (HANDLES - 1), made);
    }
}

static struct space a_space(void) {
    struct space found;
    found.at = may_be_null() ? NULL : space[1];
    found.capacity = one_in(3) ? random_word() % 4 : random_word() % (sizeof space[1] + 1);
    return found;
}

static void *a_struct(unsigned index, uint32_t size) {
    if (may_be_null()) {
        return NULL;
    }
    structs[index].struct_size = one_in(20) ? (uint32_t)random_word() % sizeof structs[0] : size;
    return &structs[index];
}

static cotas_decision *a_decision(void) {
    return a_struct(0, sizeof(cotas_decision));
}

static cotas_payment *a_payment(void) {
    return a_struct(2, sizeof(cotas_payment));
}

static cotas_error *a_error(void) {
    return a_struct(3, sizeof(cotas_error));
}

static void *a_place(void) {
    return may_be_null() ? NULL : &places[random_word() % 4];
}

#include "calls.h"

#define COUNT (sizeof FUNCTIONS / sizeof FUNCTIONS[0])

static atomic_ulong calls, done[COUNT];
static time_t until;

static void *play(void *seed) {
    state = (uint64_t)(uintptr_t)seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    while (time(NULL) < until) {
        int count;
        for (count = 0; count < 50; count++) {
            size_t index = random_word() % COUNT;
            if (FUNCTIONS[index].call() == COTAS_OK) {
                atomic_fetch_add(&done[index], 1);
            }
            atomic_fetch_add(&calls, 1);
        }
    }
    return NULL;
}

/* The first engine and its tenant are sound, now and then: what is played ruins them. */
static void refresh(void) {
    cotas_engine *engine = open_engine();
    put(2, 0, open_tenant(engine));
    put(1, 0, engine);
}

static void nothing_but_zeros(void) {
    size_t index;
    for (index = 0; index < COUNT; index++) {
        int closes = strstr(FUNCTIONS[index].name, "_close") != NULL;
        int32_t code = FUNCTIONS[index].nothing();
        if ((code == COTAS_OK) != closes) {
            fprintf(stderr, "%s of nothing returned %d\n", FUNCTIONS[index].name, (int)code);
            abort();
        }
    }
}

int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    size_t index, never = 0;
    unsigned long seed;
    if (count != 3) {
        return 2;
    }
    seed = strtoul(arguments[2], NULL, 10);
    nothing_but_zeros();
    refresh();
    until = time(NULL) + strtol(arguments[1], NULL, 10);
    for (index = 0; index < THREADS; index++) {
        uintptr_t own = seed * THREADS + index;
        CHECK(pthread_create(&threads[index], NULL, play, (void *)own) == 0);
    }
    while (time(NULL) < until) {
        struct timespec pause = {0, 300000000};
        nanosleep(&pause, NULL);
        refresh();
    }
    for (index = 0; index < THREADS; index++) {
        CHECK(pthread_join(threads[index], NULL) == 0);
    }
    for (index = 0; index < 3 * HANDLES; index++) {
        (void)close_handle((unsigned)index / HANDLES, handles[index / HANDLES][index % HANDLES]);
    }
    for (index = 0; index < COUNT; index++) {
        if (done[index] == 0) {
            printf("never succeeded: %s\n", FUNCTIONS[index].name);
            never++;
        }
    }
    printf("%lu calls of %zu functions, seed %lu; %zu never succeeded\n", (unsigned long)calls,
           COUNT, seed, never);
    return 0;
}
