/* A host that loads the library, decides and lets it go with each of its requests, each of which is
 * a thread of its own. What the first request opened stays open all the while: it belongs to the
 * library, which must therefore stay where it is when no program has it loaded.
 *
 * With "thread" a thread of the library's own runs all the while as well. With "external" there is
 * none, and nothing but the library's own wish (-z nodelete) keeps it: run.py also runs this with a
 * copy of the library that has no such wish, where what was opened is gone. (With "thread" that
 * copy crashes only where it is unloaded before its thread has begun: from then on Rust's standard
 * library happens to keep it, by what it wants called at the thread's end.)
 *
 * Usage: unload LIBRARY REQUESTS thread|external */
#include <dlfcn.h>
#include <pthread.h>

#include "test.h"

/* The functions of a loaded library. */
static struct {
    __typeof__(cotas_options_new) *options_new;
    __typeof__(cotas_options_set_maintenance) *options_set_maintenance;
    __typeof__(cotas_options_close) *options_close;
    __typeof__(cotas_engine_open) *engine_open;
    __typeof__(cotas_engine_close) *engine_close;
    __typeof__(cotas_tenant_open) *tenant_open;
    __typeof__(cotas_tenant_close) *tenant_close;
    __typeof__(cotas_consume) *consume;
} cotas;

static int32_t maintenance = COTAS_MAINTENANCE_THREAD;
static cotas_engine *first_engine;
static cotas_tenant *first_tenant;

/* ISO C has no way from an object's address to a function's. */
static void find(void *library, const char *name, void *function) {
    void *found = dlsym(library, name);
    CHECK(found != NULL);
    memcpy(function, &found, sizeof found);
}

static void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    find(library, "cotas_options_new", &cotas.options_new);
    find(library, "cotas_options_set_maintenance", &cotas.options_set_maintenance);
    find(library, "cotas_options_close", &cotas.options_close);
    find(library, "cotas_engine_open", &cotas.engine_open);
    find(library, "cotas_engine_close", &cotas.engine_close);
    find(library, "cotas_tenant_open", &cotas.tenant_open);
    find(library, "cotas_tenant_close", &cotas.tenant_close);
    find(library, "cotas_consume", &cotas.consume);
    return library;
}

static void consume(const cotas_tenant *tenant) {
    cotas_decision decision = empty_decision();
    OK(cotas.consume(tenant, TEXT("credits"), 1, NONE, &decision, &error));
    CHECK(decision.allowed);
}

static void *request(void *unused) {
    cotas_options *options = NULL;
    cotas_engine *engine = NULL;
    cotas_tenant *tenant = NULL;
    if (first_tenant != NULL) {
        consume(first_tenant);
    }
    OK(cotas.options_new(&options, &error));
    OK(cotas.options_set_maintenance(options, maintenance, &error));
    OK(cotas.engine_open(TEXT("unload.db"), options, &engine, &error));
    OK(cotas.tenant_open(engine, TEXT("padaria"), &tenant, &error));
    OK(cotas.options_close(options));
    consume(tenant);
    if (first_tenant == NULL) {
        first_engine = engine;
        first_tenant = tenant;
    } else {
        OK(cotas.tenant_close(tenant));
        OK(cotas.engine_close(engine));
    }
    return unused;
}

int main(int count, char **arguments) {
    void *library;
    int round, rounds;
    if (count != 4) {
        return 2;
    }
    rounds = atoi(arguments[2]);
    if (strcmp(arguments[3], "external") == 0) {
        maintenance = COTAS_MAINTENANCE_EXTERNAL;
    }
    for (round = 0; round < rounds; round++) {
        pthread_t thread;
        library = load(arguments[1]);
        CHECK(pthread_create(&thread, NULL, request, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(dlclose(library) == 0);
    }
    library = load(arguments[1]);
    consume(first_tenant);
    OK(cotas.tenant_close(first_tenant));
    OK(cotas.engine_close(first_engine));
    CHECK(dlclose(library) == 0);
    return 0;
}
