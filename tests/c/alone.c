/* The header alone. */
#include "cotas.h"

int main(void) {
    return (int)sizeof(cotas_decision) == 0;
}
