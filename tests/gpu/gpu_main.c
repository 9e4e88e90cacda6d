/* gpu_check device                 what GPU answers; status 1 and the reason if none
 * gpu_check test                   every op case on GPU and CPU, on the GPU twice for its bits; simulated paths; a training
 *                                  run on both
 * gpu_check bench LINES [quick]    tables of speeds to stdout, one tab-separated line a figure to the file LINES */
#include "tests/gpu/gpu_check.h"

int main(int argc, char **argv) { return pu__gpu_check(argc, argv); }
