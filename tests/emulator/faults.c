#include "internal.h"

#include <stdarg.h>
#include <stdio.h>

enum { FAULTS_KEPT = 16 };
static pu__fault faults[FAULTS_KEPT];
static int count;

void pu__fault_record(pu__fault_kind kind, const char *format, ...) {
    pu__order_ignore(true);
    if (count < FAULTS_KEPT) {
        pu__fault *fault = &faults[count];
        fault->kind = kind;
        const int used = snprintf(fault->text, sizeof fault->text, "%s: ", pu__emulator_fault_name(kind));
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(fault->text + used, sizeof fault->text - (size_t)used, format, arguments);
        va_end(arguments);
    }
    ++count;
    pu__order_ignore(false);
}

void pu__faults_clear(void) { count = 0; }

int pu__emulator_faults(void) { return count; }

const pu__fault *pu__emulator_fault(int index) {
    return index >= 0 && index < count && index < FAULTS_KEPT ? &faults[index] : NULL;
}

const char *pu__emulator_fault_name(pu__fault_kind kind) {
    static const char *const name[] = {
#define PU__FAULT_NAME(upper, text) text,
        PU__FAULTS(PU__FAULT_NAME)
#undef PU__FAULT_NAME
    };
    return (size_t)kind < sizeof name / sizeof name[0] ? name[kind] : "unknown";
}

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014 (SplitMix). */
uint64_t pu__random_next(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
