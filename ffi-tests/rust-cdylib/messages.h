/* Messages that are counted on their way through the queues, from push to pop or discard. */
#ifndef MESSAGES_H
#define MESSAGES_H
#include "check.h"

#define MESSAGE_ALIVE 0x600D

typedef struct message {
    int alive;
} message;

static atomic_long pushed, popped, discarded;

static inline message *new_message(void) {
    message *m = malloc(sizeof *m);
    CHECK(m != NULL);
    m->alive = MESSAGE_ALIVE;
    return m;
}

static inline void end_message(void *p, atomic_long *counter) {
    message *m = p;
    CHECK_SAY(m->alive == MESSAGE_ALIVE, "a message came out twice");
    m->alive = 0;
    free(m);
    atomic_fetch_add(counter, 1);
}

static inline void discard(void *p) { end_message(p, &discarded); }

static inline rc_status push(mq *queue, int64_t timeout_ms) {
    message *m = new_message();
    rc_status got = mq_push(queue, m, timeout_ms);
    if (got == RC_OK) {
        atomic_fetch_add(&pushed, 1);
    } else {
        free(m); /* refused: still ours */
    }
    return got;
}

static inline rc_status pop(mq *queue, int64_t timeout_ms) {
    void *m = NULL;
    rc_status got = mq_pop(queue, timeout_ms, &m);
    if (got == RC_OK) end_message(m, &popped);
    CHECK((got == RC_OK) == (m != NULL));
    return got;
}

static inline mq *new_queue(size_t capacity) {
    mq *queue = NULL;
    EXPECT(mq_new(capacity, discard, &queue), RC_OK);
    CHECK(queue != NULL);
    return queue;
}

static inline void count(void *counter) { atomic_fetch_add((atomic_int *)counter, 1); }

static inline void every_message_came_out_once(void) {
    long in = atomic_load(&pushed), out = atomic_load(&popped), left = atomic_load(&discarded);
    printf("    %ld pushed, %ld popped, %ld discarded\n", in, out, left);
    CHECK(in == out + left && out > 0 && left > 0);
}

#endif
