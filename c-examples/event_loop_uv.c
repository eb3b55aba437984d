/* The library's waits in libuv's loop: qz_backend_fd is one more uv_poll_t, next to timers and pipes.
 *
 * A print shop that is open for a moment: hundreds of jobs wait for one of a few printers (a qz_semaphore) and then for the one ledger
 * (a qz_mutex); each is printed for a moment by a uv_timer_t, and then written down in the ledger, through a pipe that the same loop
 * reads. One job in ten is impatient, with a deadline that passes. No thread waits, and none is needed. */
#define _GNU_SOURCE /* uv.h wants it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "quiescent.h"

enum { JOBS = 500, PRINTERS = 20, PRINT_MS = 10, IMPATIENT_MS = 20, BATCH = 32 };

typedef struct job {
    uv_timer_t timer;
    enum { FOR_PRINTER, PRINTING, FOR_LEDGER } step;
    qz_hold *printer;
} job;

static job jobs[JOBS];
static qz_backend *backend;
static qz_semaphore *printers;
static qz_mutex *ledger;
static uv_poll_t calls;
static uv_pipe_t reader, writer;
static int printed, left, over, waiting, most_waiting, at_once, most_at_once, lines;

static void need(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s (%s)\n", what, qz_last_error());
    exit(1);
}
#define NEED(call) need((call) == 0, #call)

static void begin(job *j) {
    int64_t timeout = (j - jobs) % 10 == 9 ? IMPATIENT_MS : QZ_INFINITE;
    if (++waiting > most_waiting) most_waiting = waiting;
    if (j->step == FOR_PRINTER)
        NEED(qz_semaphore_acquire_async(printers, 1, timeout, NULL, backend, j));
    else
        NEED(qz_mutex_lock_async(ledger, QZ_INFINITE, NULL, backend, j));
}

static void is_over(void) {
    if (++over < JOBS) return;
    NEED(uv_poll_stop(&calls)); /* forgotten before the backend is freed */
    uv_close((uv_handle_t *)&calls, NULL);
    uv_close((uv_handle_t *)&writer, NULL); /* the reader sees the end */
}

static void printed_out(uv_timer_t *timer) {
    job *j = timer->data;
    at_once--;
    uv_close((uv_handle_t *)timer, NULL);
    NEED(qz_hold_release(j->printer));
    j->step = FOR_LEDGER;
    begin(j);
}

static void step_is_over(job *j, const qz_completion *completion) {
    waiting--;
    if (j->step == FOR_PRINTER && completion->status == QZ_OK) {
        j->printer = completion->hold;
        j->step = PRINTING;
        if (++at_once > most_at_once) most_at_once = at_once;
        j->timer.data = j;
        NEED(uv_timer_init(uv_default_loop(), &j->timer));
        NEED(uv_timer_start(&j->timer, printed_out, PRINT_MS, 0));
    } else if (j->step == FOR_PRINTER) {
        need(completion->status == QZ_ERR_TIMEOUT, "a job that was not printed");
        left++;
        is_over();
    } else {
        char line[] = "printed\n";
        uv_buf_t text = uv_buf_init(line, sizeof line - 1);
        need(completion->status == QZ_OK && uv_try_write((uv_stream_t *)&writer, &text, 1) == sizeof line - 1, "the ledger");
        printed++;
        NEED(qz_hold_release(completion->hold));
        is_over();
    }
}

/* Readable: something is over. One round; libuv reports it again for as long as something is left. */
static void collect(uv_poll_t *poll, int status, int events) {
    qz_completion completions[BATCH];
    size_t len = 0;
    (void)poll;
    need(status == 0 && events == UV_READABLE, "uv_poll");
    qz_status polled = qz_backend_poll(backend, completions, BATCH, 0, &len);
    need(polled == QZ_OK || polled == QZ_ERR_TIMEOUT, "the poll");
    for (size_t i = 0; polled == QZ_OK && i < len; i++) step_is_over(completions[i].user_data, &completions[i]);
}

static void room(uv_handle_t *handle, size_t size, uv_buf_t *out) {
    static char text[4096];
    (void)handle;
    (void)size;
    *out = uv_buf_init(text, sizeof text);
}

static void read_ledger(uv_stream_t *stream, ssize_t got, const uv_buf_t *text) {
    for (ssize_t i = 0; i < got; i++) lines += text->base[i] == '\n';
    if (got < 0) uv_close((uv_handle_t *)stream, NULL);
}

int main(void) {
    uv_loop_t *loop = uv_default_loop();
    uv_file ends[2];
    int fd = -1;
    uint32_t available = 0;
    NEED(qz_backend_new(NULL, NULL, &backend));
    NEED(qz_semaphore_new(PRINTERS, PRINTERS, &printers));
    NEED(qz_mutex_new(&ledger));
    NEED(qz_backend_fd(backend, &fd));
    NEED(uv_poll_init(loop, &calls, fd));
    NEED(uv_poll_start(&calls, UV_READABLE, collect));
    NEED(uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE));
    NEED(uv_pipe_init(loop, &reader, 0));
    NEED(uv_pipe_init(loop, &writer, 0));
    NEED(uv_pipe_open(&reader, ends[0]));
    NEED(uv_pipe_open(&writer, ends[1]));
    NEED(uv_read_start((uv_stream_t *)&reader, room, read_ledger));
    for (int i = 0; i < JOBS; i++) begin(&jobs[i]);
    uint64_t begun = uv_hrtime();
    NEED(uv_run(loop, UV_RUN_DEFAULT));
    printf("%d jobs in %.0f ms: %d printed, %d were impatient and left\n", JOBS, (double)(uv_hrtime() - begun) / 1e6, printed, left);
    printf("at most %d calls waited at once, and %d printers printed; the ledger has %d lines\n", most_waiting, most_at_once, lines);
    NEED(qz_semaphore_available(printers, &available));
    need(printed + left == JOBS && left > 0 && lines == printed, "a job was lost");
    need(most_waiting >= JOBS && most_at_once == PRINTERS && available == PRINTERS, "the printers");
    NEED(qz_backend_free(backend, QZ_DEFAULT_TIMEOUT));
    NEED(qz_semaphore_free(printers, 0));
    NEED(qz_mutex_free(ledger, 0));
    NEED(uv_loop_close(loop));
    puts("all claims hold");
    return 0;
}
