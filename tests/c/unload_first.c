/* Makes the database of unload.c, so that its requests find one. */
#include "test.h"

int main(void) {
    cotas_engine *engine = NULL;
    OK(cotas_engine_open(TEXT("unload.db"), NULL, &engine, &error));
    OK(cotas_load_catalog(engine, TEXT(CATALOG), TEXT("test.toml"), NULL, &error));
    OK(ask(engine, "create_tenant",
           "{'form': {'name': 'padaria', 'plan': {'name': 'full', 'first_due': '2096-05-20',"
           " 'auto_renew': true}}}"));
    OK(cotas_engine_close(engine));
    return 0;
}
