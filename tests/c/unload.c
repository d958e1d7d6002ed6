/* A host that loads the library, decides and lets it go with each of 10,000 requests. An engine stays
 * open all the while, so that the library's own thread runs when nobody has it loaded.
 * Usage: unload LIBRARY */
#include <dlfcn.h>

#include "test.h"

typedef int32_t (*open_t)(const char *, size_t, const cotas_options *, cotas_engine **,
                          cotas_error *);
typedef int32_t (*tenant_t)(const cotas_engine *, const char *, size_t, cotas_tenant **,
                            cotas_error *);
typedef int32_t (*consume_t)(const cotas_tenant *, const char *, size_t, uint64_t, const char *,
                             size_t, cotas_decision *, cotas_error *);
typedef int32_t (*close_tenant_t)(cotas_tenant *);
typedef int32_t (*close_engine_t)(cotas_engine *);

/* ISO C has no way from an object's address to a function's. */
static void find(void *library, const char *name, void *function) {
    void *found = dlsym(library, name);
    CHECK(found != NULL);
    memcpy(function, &found, sizeof found);
}

static int request(const char *path, int keep) {
    cotas_decision decision = empty_decision();
    cotas_engine *engine = NULL;
    cotas_tenant *tenant = NULL;
    open_t open;
    tenant_t open_tenant_of;
    consume_t consume;
    close_tenant_t close_tenant;
    close_engine_t close_engine;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    find(library, "cotas_engine_open", &open);
    find(library, "cotas_tenant_open", &open_tenant_of);
    find(library, "cotas_consume", &consume);
    find(library, "cotas_tenant_close", &close_tenant);
    find(library, "cotas_engine_close", &close_engine);
    OK(open(TEXT("unload.db"), NULL, &engine, &error));
    OK(open_tenant_of(engine, TEXT("padaria"), &tenant, &error));
    OK(consume(tenant, TEXT("credits"), 1, NONE, &decision, &error));
    OK(close_tenant(tenant));
    if (!keep) {
        OK(close_engine(engine));
    }
    CHECK(dlclose(library) == 0);
    return (int)decision.allowed;
}

int main(int count, char **arguments) {
    int round, allowed = 0;
    if (count != 2) {
        return 2;
    }
    for (round = 0; round < 10000; round++) {
        allowed += request(arguments[1], round == 0);
    }
    CHECK(allowed == 10000);
    return 0;
}
