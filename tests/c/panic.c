/* A panic inside the library stops at its boundary. Linked with a library that has the feature
 * test-panic. */
#include "test.h"

int32_t cotas_test_panic(const cotas_tenant *tenant, cotas_error *error);

int main(void) {
    cotas_engine *engine = open_engine();
    cotas_tenant *tenant = open_tenant(engine), *other = open_tenant(engine);
    cotas_decision decision = empty_decision();
    CHECK(cotas_test_panic(tenant, &error) == COTAS_PANIC);
    CHECK(error.code == COTAS_PANIC && strstr(error.message, "closed") != NULL);
    CHECK(cotas_check(tenant, TEXT("sms"), 1, &decision, &error) == COTAS_PANIC);
    CHECK(cotas_test_panic(tenant, NULL) == COTAS_PANIC);
    /* The tenant itself is whole, by another handle. */
    OK(cotas_check(other, TEXT("sms"), 1, &decision, &error));
    CHECK(decision.allowed == 1);
    OK(cotas_tenant_close(tenant));
    CHECK(cotas_tenant_close(tenant) == COTAS_E_HANDLE);
    OK(cotas_tenant_close(other));
    OK(cotas_engine_close(engine));
    return 0;
}
