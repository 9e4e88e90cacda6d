#include "host/sim/fit.h"

#include <math.h>
#include <stdio.h>

void pu__fit_add(pu__fit *fit, const char *name, double value, double error) {
    pu__estimate *estimate = &fit->estimate[fit->estimates++];
    snprintf(estimate->name, sizeof estimate->name, "%s", name);
    estimate->value = value;
    estimate->error = error;
}

void pu__fit_likelihood(pu__fit *fit, double log_likelihood, int parameters, int64_t rows) {
    fit->log_likelihood = log_likelihood;
    fit->aic = 2.0 * parameters - 2.0 * log_likelihood;
    fit->bic = parameters * log((double)rows) - 2.0 * log_likelihood;
}

void pu__fit_minimum(pu__fit *fit, const pu__minimum *minimum) {
    fit->converged = minimum->converged;
    fit->evaluations = minimum->evaluations;
    if (minimum->converged) return;
    snprintf(fit->note, sizeof fit->note, "%s",
             minimum->curved ? "did not converge: the likelihood still rises"
                             : "did not converge: the likelihood is flat in some direction, the history does not "
                               "tell the parameters apart");
}
