/* Prints size and places of every struct, to be compared with Rust's. */
#include <stddef.h>
#include <stdio.h>

#include "cotas.h"

#define SIZE(type) printf("%s %zu\n", #type, sizeof(type))
#define PLACE(type, field) printf("%s.%s %zu\n", #type, #field, offsetof(type, field))

int main(void) {
    SIZE(cotas_error);
    PLACE(cotas_error, struct_size);
    PLACE(cotas_error, code);
    PLACE(cotas_error, message);
    SIZE(cotas_charge);
    PLACE(cotas_charge, units);
    PLACE(cotas_charge, resource);
    PLACE(cotas_charge, source);
    SIZE(cotas_decision);
    PLACE(cotas_decision, struct_size);
    PLACE(cotas_decision, allowed);
    PLACE(cotas_decision, reason);
    PLACE(cotas_decision, reasons);
    PLACE(cotas_decision, shadowed);
    PLACE(cotas_decision, flags);
    PLACE(cotas_decision, resource);
    PLACE(cotas_decision, mode);
    PLACE(cotas_decision, units);
    PLACE(cotas_decision, used);
    PLACE(cotas_decision, available);
    PLACE(cotas_decision, limit);
    PLACE(cotas_decision, retry_at_ms);
    PLACE(cotas_decision, session_expires_at_ms);
    PLACE(cotas_decision, lease_expires_at_ms);
    PLACE(cotas_decision, fencing);
    PLACE(cotas_decision, reservation);
    PLACE(cotas_decision, receipt);
    PLACE(cotas_decision, charge_count);
    PLACE(cotas_decision, reserved);
    PLACE(cotas_decision, charges);
    SIZE(cotas_payment);
    PLACE(cotas_payment, struct_size);
    PLACE(cotas_payment, outcome);
    PLACE(cotas_payment, invoice);
    PLACE(cotas_payment, subscription);
    PLACE(cotas_payment, invoice_status);
    PLACE(cotas_payment, reserved);
    return 0;
}
