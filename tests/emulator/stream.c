/* Streams, events, recording and replay.
 *
 * Invariants:
 *  1. Work on a stream runs in order, and only when the schedule says so: late (something waits for it), at once,
 *     or at random moments.
 *  2. A wait for an event refers to the event's last record at the time of the call; it holds until that record
 *     was reached.
 *  3. While a stream records, its work goes into the graph and nothing of it runs. Arguments are copied when they
 *     are recorded.
 *  4. An event outlives the work that names it (it is counted). Destroying a stream first runs what is on it. */
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct CUevent_st {
    int holders;
    uint64_t recorded, reached; /* numbers of its records */
    struct CUstream_st *stream; /* of the last record */
};

typedef enum op_kind { OP_WORK = 0, OP_RECORD, OP_WAIT } op_kind;
typedef struct op {
    op_kind kind;
    pu__work work;
    struct CUevent_st *event;
    uint64_t number;
} op;

typedef struct op_list {
    op *entry;
    int first, count, room;
} op_list;

/* Work of a graph is shared by the graph and what was instantiated from it. */
typedef struct recording {
    int holders;
    op_list ops;
} recording;
struct CUgraph_st {
    recording *recording;
};
struct CUgraphExec_st {
    recording *recording;
};

struct CUstream_st {
    struct CUstream_st *next;
    op_list ops;
    recording *recording; /* null: it does not record */
    enum cudaStreamCaptureMode mode;
    pthread_t recorder;
    bool spoilt; /* something forbidden happened while it recorded */
};

static struct CUstream_st *streams;
static pu__schedule schedule;
static uint64_t schedule_state;

void pu__set_schedule(pu__schedule new_schedule, uint64_t seed) {
    schedule = new_schedule;
    schedule_state = seed;
}

bool pu__recording(void) {
    bool any = false;
    for (struct CUstream_st *s = streams; s; s = s->next) {
        const bool concerns =
            s->recording &&
            (s->mode == cudaStreamCaptureModeGlobal ||
             (s->mode == cudaStreamCaptureModeThreadLocal && pthread_equal(s->recorder, pthread_self())));
        if (concerns) s->spoilt = true;
        any = any || concerns;
    }
    return any;
}

static bool known(const struct CUstream_st *stream) {
    for (const struct CUstream_st *s = streams; s; s = s->next)
        if (s == stream) return true;
    pu__fault_record(PU__FAULT_API,
                     stream ? "a stream that was destroyed, or is none" : "the legacy default stream");
    return false;
}

/* ---- lists ---- */

static bool list_add(op_list *list, op entry) {
    if (list->first + list->count == list->room) {
        memmove(list->entry, list->entry + list->first, (size_t)list->count * sizeof *list->entry);
        list->first = 0;
        if (2 * list->count >= list->room) {
            const int room = list->room ? 2 * list->room : 16;
            op *grown = realloc(list->entry, (size_t)room * sizeof *grown);
            if (!grown) return false;
            list->entry = grown;
            list->room = room;
        }
    }
    list->entry[list->first + list->count++] = entry;
    return true;
}

static void event_release(struct CUevent_st *event) {
    if (event && --event->holders == 0) free(event);
}

static void op_drop(op *o) {
    if (o->work.drop) o->work.drop(o->work.state);
    event_release(o->event);
}

static void list_clear(op_list *list) {
    for (int i = 0; i < list->count; ++i) op_drop(&list->entry[list->first + i]);
    free(list->entry);
    *list = (op_list){0};
}

static void recording_release(recording *r) {
    if (--r->holders > 0) return;
    list_clear(&r->ops);
    free(r);
}

/* ---- running ---- */

static void reach(struct CUevent_st *event, uint64_t number);

static bool graph_run(const recording *r) {
    for (int i = 0; i < r->ops.count; ++i) {
        const pu__work *work = &r->ops.entry[r->ops.first + i].work;
        if (!work->run(work->state)) return false;
    }
    return true;
}

static void graph_drop(void *state) { recording_release(state); }
static bool graph_work(void *state) { return graph_run(state); }

static void run_first(struct CUstream_st *stream) {
    op o = stream->ops.entry[stream->ops.first++];
    --stream->ops.count;
    if (o.kind == OP_WAIT) reach(o.event, o.number);
    if (o.kind == OP_RECORD && o.event->reached < o.number) o.event->reached = o.number;
    if (o.kind == OP_WORK) {
        pu__memory_open(true);
        if (!o.work.run(o.work.state)) pu__set_sticky(cudaErrorLaunchFailure);
        pu__memory_open(false);
    }
    op_drop(&o);
}

static void reach(struct CUevent_st *event, uint64_t number) {
    while (event->reached < number && event->stream->ops.count > 0) run_first(event->stream);
}

void pu__drain(cudaStream_t stream) {
    while (stream->ops.count > 0) run_first(stream);
}

/* Runs up to `most` pieces of work, each of a stream drawn at random; fewer if nothing is left. */
static void run_random(uint64_t most) {
    for (; most > 0; --most) {
        uint64_t busy = 0;
        for (struct CUstream_st *s = streams; s; s = s->next) busy += s->ops.count > 0;
        if (busy == 0) return;
        uint64_t skip = pu__random_next(&schedule_state) % busy;
        struct CUstream_st *s = streams;
        while (s->ops.count == 0 || skip-- > 0) s = s->next;
        run_first(s);
    }
}

void pu__drain_all(void) {
    if (schedule == PU__SCHEDULE_RANDOM) run_random(UINT64_MAX);
    for (struct CUstream_st *s = streams; s; s = s->next) pu__drain(s);
}

/* After work was put on a stream: as much as the schedule says. */
static void run_some(void) {
    if (schedule == PU__SCHEDULE_EAGER) pu__drain_all();
    if (schedule == PU__SCHEDULE_RANDOM) run_random(pu__random_next(&schedule_state) % 4);
}

static cudaError_t put(cudaStream_t stream, op o) {
    if (!list_add(stream->recording ? &stream->recording->ops : &stream->ops, o)) {
        op_drop(&o);
        return cudaErrorMemoryAllocation;
    }
    if (!stream->recording) run_some();
    return cudaSuccess;
}

cudaError_t pu__enqueue(cudaStream_t stream, pu__work work) {
    op o = {.kind = OP_WORK, .work = work};
    if (!known(stream)) {
        op_drop(&o);
        return cudaErrorInvalidResourceHandle;
    }
    return put(stream, o);
}

/* ---- streams ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_UNSAFE, cudaErrorMemoryAllocation);
    if (error == cudaSuccess && flags != cudaStreamNonBlocking && flags != cudaStreamDefault)
        error = cudaErrorInvalidValue;
    if (error == cudaSuccess) {
        struct CUstream_st *made = calloc(1, sizeof *made);
        error = made ? cudaSuccess : cudaErrorMemoryAllocation;
        if (made) {
            made->next = streams;
            streams = made;
            *stream = made;
            pu__live_add(1);
        }
    }
    return pu__call_end(error);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    pu__lock();
    const cudaError_t begun = pu__call_begin(PU__CALL_SAFE, cudaErrorUnknown);
    if (!known(stream)) return pu__call_end(cudaErrorInvalidResourceHandle);
    pu__drain(stream);
    struct CUstream_st **link = &streams;
    while (*link != stream) link = &(*link)->next;
    *link = stream->next;
    if (stream->recording) recording_release(stream->recording);
    list_clear(&stream->ops);
    free(stream);
    pu__live_add(-1);
    return pu__call_end(begun);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_UNSAFE, cudaErrorLaunchFailure);
    if (error == cudaSuccess && !known(stream)) error = cudaErrorInvalidResourceHandle;
    if (error == cudaSuccess) pu__drain(stream);
    return pu__call_end(error);
}

cudaError_t cudaDeviceSynchronize(void) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_UNSAFE, cudaErrorLaunchFailure);
    if (error == cudaSuccess) pu__drain_all();
    return pu__call_end(error);
}

/* ---- events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorMemoryAllocation);
    if (error == cudaSuccess && flags & ~(unsigned)(cudaEventBlockingSync | cudaEventDisableTiming))
        error = cudaErrorInvalidValue;
    if (error == cudaSuccess) {
        struct CUevent_st *made = calloc(1, sizeof *made);
        error = made ? cudaSuccess : cudaErrorMemoryAllocation;
        if (made) {
            made->holders = 1;
            *event = made;
            pu__live_add(1);
        }
    }
    return pu__call_end(error);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    pu__lock();
    const cudaError_t begun = pu__call_begin(PU__CALL_SAFE, cudaErrorUnknown);
    event_release(event);
    pu__live_add(-1);
    return pu__call_end(begun);
}

/* A record or a wait; both are refused on a stream that records, since the emulator does not record forks. */
static cudaError_t put_event(op_kind kind, cudaStream_t stream, cudaEvent_t event, uint64_t number) {
    if (stream->recording) {
        stream->spoilt = true;
        return cudaErrorStreamCaptureUnsupported;
    }
    ++event->holders;
    return put(stream, (op){.kind = kind, .event = event, .number = number});
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorUnknown);
    if (error == cudaSuccess && (!event || !known(stream))) error = cudaErrorInvalidResourceHandle;
    if (error == cudaSuccess) {
        event->stream = stream;
        error = put_event(OP_RECORD, stream, event, event->recorded + 1);
        if (error == cudaSuccess) ++event->recorded;
    }
    return pu__call_end(error);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorUnknown);
    if (error == cudaSuccess && (!event || flags != 0 || !known(stream))) error = cudaErrorInvalidResourceHandle;
    if (error == cudaSuccess) error = put_event(OP_WAIT, stream, event, event->recorded);
    return pu__call_end(error);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_UNSAFE, cudaErrorLaunchFailure);
    if (error == cudaSuccess && !event) error = cudaErrorInvalidResourceHandle;
    if (error == cudaSuccess) reach(event, event->recorded);
    return pu__call_end(error);
}

/* Each question lets the event's stream do one piece of work, so that a host that polls gets there. */
cudaError_t cudaEventQuery(cudaEvent_t event) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_UNSAFE, cudaErrorLaunchFailure);
    if (error == cudaSuccess && !event) error = cudaErrorInvalidResourceHandle;
    const bool ready = error == cudaSuccess && event->reached >= event->recorded;
    if (error == cudaSuccess && !ready) run_first(event->stream);
    error = pu__call_end(error);
    return error == cudaSuccess && !ready ? cudaErrorNotReady : error;
}

/* ---- recording and replay ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorUnknown);
    if (error == cudaSuccess && !known(stream)) error = cudaErrorInvalidResourceHandle;
    if (error == cudaSuccess && stream->recording) error = cudaErrorIllegalState;
    if (error == cudaSuccess) {
        stream->recording = calloc(1, sizeof *stream->recording);
        error = stream->recording ? cudaSuccess : cudaErrorMemoryAllocation;
    }
    if (error == cudaSuccess) {
        stream->recording->holders = 1;
        stream->mode = mode;
        stream->recorder = pthread_self();
        stream->spoilt = false;
    }
    return pu__call_end(error);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorUnknown);
    *graph = NULL;
    if (!known(stream)) return pu__call_end(cudaErrorInvalidResourceHandle);
    if (!stream->recording) return pu__call_end(cudaErrorIllegalState);
    if (error == cudaSuccess && stream->spoilt) error = cudaErrorStreamCaptureInvalidated;
    struct CUgraph_st *made = error == cudaSuccess ? calloc(1, sizeof *made) : NULL;
    if (error == cudaSuccess && !made) error = cudaErrorMemoryAllocation;
    if (made) {
        made->recording = stream->recording;
        *graph = made;
        pu__live_add(1);
    } else {
        recording_release(stream->recording);
    }
    stream->recording = NULL;
    return pu__call_end(error);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorMemoryAllocation);
    if (error == cudaSuccess && (!graph || flags != 0)) error = cudaErrorInvalidValue;
    if (error == cudaSuccess) {
        struct CUgraphExec_st *made = calloc(1, sizeof *made);
        error = made ? cudaSuccess : cudaErrorMemoryAllocation;
        if (made) {
            made->recording = graph->recording;
            ++made->recording->holders;
            *executable = made;
            pu__live_add(1);
        }
    }
    return pu__call_end(error);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    pu__lock();
    cudaError_t error = pu__call_begin(PU__CALL_SAFE, cudaErrorLaunchFailure);
    if (error == cudaSuccess && !executable) error = cudaErrorInvalidValue;
    if (error == cudaSuccess) {
        ++executable->recording->holders;
        error = pu__enqueue(stream, (pu__work){graph_work, graph_drop, executable->recording});
    }
    return pu__call_end(error);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    pu__lock();
    const cudaError_t begun = pu__call_begin(PU__CALL_SAFE, cudaErrorUnknown);
    recording_release(executable->recording);
    free(executable);
    pu__live_add(-1);
    return pu__call_end(begun);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    pu__lock();
    const cudaError_t begun = pu__call_begin(PU__CALL_SAFE, cudaErrorUnknown);
    recording_release(graph->recording);
    free(graph);
    pu__live_add(-1);
    return pu__call_end(begun);
}
