/* Another system that is measured beside ours: a Python program that runs the embedded bench/peers/kernels.py and
 * answers line by line on its standard input and output. */
#ifndef PU_HOST_CLI_PEER_H
#define PU_HOST_CLI_PEER_H

#include <stdio.h>
#include <sys/types.h>

#include "plusultra/status.h"

typedef struct pu__peer {
    const char *python; /* borrowed */
    FILE *to, *from;    /* null once closed */
    pid_t child;        /* 0: none */
} pu__peer;

/* Starts `python`, told how many threads to use. PU_ERR_NOT_FOUND if it cannot be started. */
pu_status pu__peer_start(const char *python, int64_t threads, pu__peer *out);

/* Closes what is open, waits for the program's end and tells whether it was a good one. Does nothing twice. */
pu_status pu__peer_end(pu__peer *peer);

#endif
