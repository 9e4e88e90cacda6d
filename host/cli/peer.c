#include "host/cli/peer.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* bench/peers/kernels.py, embedded by the build. */
extern const char pu__peer_kernels[];

extern char **environ;

/* With the pipes for its standard input and output. */
static pu_status spawn(const char *python, const char *threads, const int in[2], const int out[2], pid_t *child) {
    char *const arguments[] = {(char *)(uintptr_t)python, "-c", (char *)(uintptr_t)pu__peer_kernels,
                               (char *)(uintptr_t)threads, NULL};
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(&actions, in[0], 0);
        if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, out[1], 1);
        for (int i = 0; i < 2 && error == 0; ++i) {
            error = posix_spawn_file_actions_addclose(&actions, in[i]);
            if (error == 0) error = posix_spawn_file_actions_addclose(&actions, out[i]);
        }
        if (error == 0) error = posix_spawnp(child, python, &actions, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    if (error == 0) return PU_OK;
    *child = 0;
    return pu_fail(PU_ERR_NOT_FOUND, "--peer: cannot start %s: %s; it has to be a Python with PyTorch", python,
                   strerror(error));
}

static void close_if_open(int file) {
    if (file >= 0) close(file);
}

pu_status pu__peer_start(const char *python, int64_t threads, pu__peer *out) {
    int in[2] = {-1, -1}, to_us[2] = {-1, -1};
    char count[32];
    *out = (pu__peer){.python = python};
    snprintf(count, sizeof count, "%lld", (long long)threads);
    signal(SIGPIPE, SIG_IGN); /* a peer that ended is an error that pu__peer_end names */
    pu_status status =
        pipe(in) == 0 && pipe(to_us) == 0 ? PU_OK : pu_fail(PU_ERR_IO, "cannot make a pipe: %s", strerror(errno));
    if (status == PU_OK) status = spawn(python, count, in, to_us, &out->child);
    close_if_open(in[0]);
    close_if_open(to_us[1]);
    if (status == PU_OK) {
        out->to = fdopen(in[1], "w");
        out->from = fdopen(to_us[0], "r");
    }
    if (!out->to) close_if_open(in[1]);
    if (!out->from) close_if_open(to_us[0]);
    if (status == PU_OK && (!out->to || !out->from)) {
        status = pu_fail(PU_ERR_IO, "cannot talk to %s: %s", python, strerror(errno));
        pu__peer_end(out);
    }
    return status;
}

pu_status pu__peer_end(pu__peer *peer) {
    if (peer->to) fclose(peer->to);
    if (peer->from) fclose(peer->from);
    peer->to = peer->from = NULL;
    if (peer->child == 0) return PU_OK;
    int code = 0;
    const pid_t child = peer->child;
    peer->child = 0;
    if (waitpid(child, &code, 0) == child && WIFEXITED(code) && WEXITSTATUS(code) == 0) return PU_OK;
    return pu_fail(PU_ERR_NOT_FOUND,
                   "--peer: %s ended with an error; it has to be a Python with PyTorch, and JAX if that is to be "
                   "compared",
                   peer->python);
}
