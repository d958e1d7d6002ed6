// The header in C++17, as a C++ program uses it: handles that close themselves.
#include <memory>
#include <string>
#include <string_view>

#include "cotas.h"

namespace {

struct Close {
    void operator()(cotas_engine *engine) const { cotas_engine_close(engine); }
    void operator()(cotas_tenant *tenant) const { cotas_tenant_close(tenant); }
};

constexpr std::string_view CATALOG = "[resources.sms]\nkind = \"allowance\"\n"
                                     "[plans.one]\ntitle = \"One\"\nprice = \"1.00\"\n"
                                     "limits = { sms = 1 }\n";
constexpr std::string_view TENANT =
    "{\"form\": {\"name\": \"acme\", \"plan\": {\"name\": \"one\", \"first_due\": \"2096-01-01\", "
    "\"auto_renew\": true}}}";

int consume(const cotas_tenant *tenant) {
    cotas_decision decision{};
    decision.struct_size = sizeof decision;
    const std::string resource = "sms";
    const auto code = cotas_consume(tenant, resource.data(), resource.size(), 1, nullptr, 0,
                                    &decision, nullptr);
    return code == COTAS_OK ? static_cast<int>(decision.allowed) : -1;
}

} // namespace

int main() {
    cotas_engine *opened = nullptr;
    cotas_tenant *found = nullptr;
    if (cotas_engine_open_in_memory(nullptr, &opened, nullptr) != COTAS_OK) {
        return 1;
    }
    const std::unique_ptr<cotas_engine, Close> engine(opened);
    const std::string_view name = "catalog.toml", create = "create_tenant", tenant_name = "acme";
    if (cotas_load_catalog(engine.get(), CATALOG.data(), CATALOG.size(), name.data(), name.size(),
                           nullptr, nullptr) != COTAS_OK ||
        cotas_call(engine.get(), create.data(), create.size(), TENANT.data(), TENANT.size(), nullptr,
                   0, nullptr, 0, nullptr, nullptr) != COTAS_OK ||
        cotas_tenant_open(engine.get(), tenant_name.data(), tenant_name.size(), &found, nullptr) !=
            COTAS_OK) {
        return 1;
    }
    const std::unique_ptr<cotas_tenant, Close> tenant(found);
    return consume(tenant.get()) == 1 && consume(tenant.get()) == 0 ? 0 : 1;
}
