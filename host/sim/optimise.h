/* Maximum likelihood with a few parameters: a minimiser without derivatives, the observed information, and errors of
 * functions of the parameters.
 *
 * It is the project's own because none of the libraries that it builds on has one, and those in C that do are under
 * licences that would bind it (GSL) or far larger than what is needed. Nelder and Mead's simplex (1965), begun
 * anew where it ended until that brings nothing, comes near the minimum from far away; Newton's steps on finite
 * differences finish, and say by their decrement whether it is one. The steps of the differences are chosen so that
 * the objective moves by about 0.01, so objectives are in the units of a log-likelihood. */
#ifndef PU_HOST_SIM_OPTIMISE_H
#define PU_HOST_SIM_OPTIMISE_H

#include <stdbool.h>

enum { PU__PARAMETERS_MAX = 8 };

/* The negative log-likelihood. NaN or infinite: not allowed. */
typedef double (*pu__objective)(const double *x, void *context);

typedef struct pu__minimum {
    int parameters;
    double x[PU__PARAMETERS_MAX], value;
    double covariance[PU__PARAMETERS_MAX * PU__PARAMETERS_MAX]; /* inverse of the Hessian; where `curved` */
    bool curved;                                                /* the Hessian is positive definite */
    bool converged; /* and Newton's decrement is below 1e-4: within a hundredth of an error */
    int evaluations;
} pu__minimum;

/* The simplex alone. scale: size of a first step in each parameter. */
void pu__search(int parameters, const double *start, const double *scale, pu__objective objective, void *context,
                pu__minimum *out);

/* Newton's steps from out->x, the covariance, and whether this is a minimum. */
void pu__polish(const double *scale, pu__objective objective, void *context, pu__minimum *out);

/* Functions of the parameters, such as those that people know. */
typedef void (*pu__transform)(const double *x, double *out, void *context);

/* error[outputs] by the delta method, J C J'; NaN where there is no covariance. */
void pu__delta_errors(const pu__minimum *minimum, pu__transform transform, void *context, int outputs,
                      double *error);

/* The whole line in (low, high), and back. */
double pu__bounded(double x, double low, double high);
double pu__unbounded(double value, double low, double high);

#endif
