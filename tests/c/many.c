/* Usage: many ROUNDS. Exactly as many as the limit: from 8 threads, and from forked children with 2
 * threads each that use the handles of their parent, and one that only closes them. Also handles that
 * are closed while others use them. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define THREADS 8
#define CHILDREN 5

static const cotas_tenant *tenant;
static long *admitted;

static void *consume(void *unused) {
    int count;
    (void)unused;
    for (count = 0; count < 100; count++) {
        cotas_decision decision = empty_decision();
        cotas_error own = {sizeof own, 0, {0}};
        CHECK(cotas_consume(tenant, TEXT("sms"), 1, NONE, &decision, &own) == COTAS_OK);
        __atomic_fetch_add(admitted, (long)decision.allowed, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void by_threads(int count) {
    pthread_t threads[THREADS];
    int index;
    for (index = 0; index < count; index++) {
        CHECK(pthread_create(&threads[index], NULL, consume, NULL) == 0);
    }
    for (index = 0; index < count; index++) {
        CHECK(pthread_join(threads[index], NULL) == 0);
    }
}

/* Whether this process has the live file mapped. */
static int is_attached(void) {
    char line[512];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        found |= strstr(line, "/many.db-live") != NULL;
    }
    CHECK(fclose(maps) == 0);
    return found;
}

/* A child closes what it inherited for itself alone, and has nothing left then of what the threads
 * of its parent had, whether it has used it or not. */
static void child(cotas_engine *engine, int uses) {
    if (uses) {
        cotas_tenant *own = open_tenant(engine);
        by_threads(2);
        OK(cotas_tenant_close(own));
    }
    CHECK(is_attached());
    OK(cotas_tenant_close((cotas_tenant *)tenant));
    OK(cotas_engine_close(engine));
    CHECK(!is_attached());
    /* Not exit: the threads of the parent, whose memory a leak check misses, are not here. */
    _exit(0);
}

static int is_over;

/* Its calls are under way when the children are forked, where it is not there to end them. */
static void *check_until_over(void *unused) {
    (void)unused;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        cotas_decision decision = empty_decision();
        CHECK(cotas_check(tenant, TEXT("sms"), 1, &decision, NULL) == COTAS_OK);
    }
    return NULL;
}

static void by_children(cotas_engine *engine) {
    pthread_t checking;
    int count, status;
    CHECK(pthread_create(&checking, NULL, check_until_over, NULL) == 0);
    for (count = 0; count < CHILDREN; count++) {
        pid_t made = fork();
        CHECK(made >= 0);
        if (made == 0) {
            child(engine, count > 0);
        }
    }
    for (count = 0; count < CHILDREN; count++) {
        CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    CHECK(pthread_join(checking, NULL) == 0);
}

static void *use_until_closed(void *handle) {
    cotas_decision decision = empty_decision();
    int32_t code;
    do {
        code = cotas_check((cotas_tenant *)handle, TEXT("sms"), 1, &decision, NULL);
    } while (code == COTAS_OK);
    CHECK(code == COTAS_E_HANDLE);
    return NULL;
}

static void closed_in_use(const cotas_engine *engine, int rounds) {
    int round, index;
    for (round = 0; round < rounds; round++) {
        cotas_tenant *shared = open_tenant(engine);
        pthread_t threads[3];
        for (index = 0; index < 3; index++) {
            CHECK(pthread_create(&threads[index], NULL, use_until_closed, shared) == 0);
        }
        OK(cotas_tenant_close(shared));
        for (index = 0; index < 3; index++) {
            CHECK(pthread_join(threads[index], NULL) == 0);
        }
    }
}

int main(int count, char **arguments) {
    cotas_engine *engine = NULL;
    if (count != 2) {
        return 2;
    }
    admitted = mmap(NULL, sizeof *admitted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(admitted != MAP_FAILED);
    OK(cotas_engine_open(TEXT("many.db"), NULL, &engine, &error));
    OK(cotas_load_catalog(engine, TEXT(CATALOG), TEXT("test.toml"), NULL, &error));
    OK(ask(engine, "create_tenant",
           "{'form': {'name': 'padaria', 'plan': {'name': 'full', 'first_due': '2096-05-20',"
           " 'auto_renew': true}}}"));
    tenant = open_tenant(engine);
    by_threads(THREADS);
    CHECK(*admitted == 100);
    OK(ask(engine, "set_limit", "{'tenant': 'padaria', 'resource': 'sms', 'limit': 300}"));
    by_children(engine);
    CHECK(*admitted == 300);
    closed_in_use(engine, atoi(arguments[1]));
    OK(ask(engine, "verify", "{}"));
    CHECK(strcmp(result, "[]") == 0);
    OK(cotas_tenant_close((cotas_tenant *)tenant));
    OK(cotas_engine_close(engine));
    return 0;
}
