/* SPDX-License-Identifier: MIT
 *
 * What tests tell the worker of fake_worker.c: it is started instead of an interpreter, with words
 * in place of the folders for sys.path, and obeys the text in the body of each CALL. */
#ifndef SB_TEST_FAKE_WORKER_H
#define SB_TEST_FAKE_WORKER_H

/* The steps of the protocol, in the order in which the first CALL passes them. A worker started with
 * "kill:NAME", "stop:NAME" or "exit:NAME" ends so at this step. */
#define STEPS(X)                                                      \
    X(STARTED)       /* nothing is mapped */                          \
    X(MAPPED)        /* the lanes are */                              \
    X(WORDS_HELD)    /* the robust list is complete */                \
    X(HELLO_STORED)  /* but nobody was woken */                       \
    X(READY)         /* hello is said; OPEN and CALL have not come */ \
    X(BELL_TAKEN)    /* the doorbell was taken, by OPEN or CALL */    \
    X(LANE_TAKEN)    /* the lane's bit was taken */                   \
    X(REQUEST_SEEN)  /* the CALL lies in the ring */                  \
    X(REQUEST_READ)  /* it was copied; req_head did not move yet */   \
    X(REQUEST_FREED) /* req_head has moved */                         \
    X(BEGUN)         /* running is set */                             \
    X(ENDED)         /* running is 0 again */                         \
    X(REPLY_PART)    /* half of the answer's bytes were published */  \
    X(REPLY_WRITTEN) /* all were written, half published */           \
    X(REPLY_STORED)  /* rep_tail has moved: the answer counts */      \
    X(WORD_TAKEN)    /* the reply word was taken, nobody woken */     \
    X(WOKEN)
/* Those that a CALL with NOTE passes behind ENDED. */
#define NOTE_STEPS(X)                                            \
    X(NOTE_STORED) /* `noted` has moved, nobody was woken */     \
    X(NOTE_WOKEN)  /* the waiting thread was, the bell is not */ \
    X(NOTE_RUNG)

enum step {
#define STEP(name) STEP_##name,
    STEPS(STEP) STEP_NONE,
    NOTE_STEPS(STEP)
#undef STEP
        STEP_END
};

/* Words at the start: "exit:N" before hello with status N, "say:TEXT" writes to the dump, "hang",
 * "fail" (hello says failed), "version:N", "child" (starts a child that sleeps), "nowords" (holds
 * no robust word).
 *
 * Bodies of CALL: "echo ..." is answered with itself, "nap N" too, after N ms. "spin" (for ever), "sleep" (until interrupted:
 * answers "interrupted"), "deaf" (sleeps on), "mute" (no answer), "big N" (N bytes), "output N M"
 * (N OUTPUT frames of M bytes first), "kill", "exit N", "stop", "crash", "exec", "pid", and lies:
 * "lie cursor", "lie head", "lie size", "lie kind", "lie session", "lie short", "lie segments",
 * "lie part" (half a frame, then nothing), "lie word", "lie running", "lie dead", "lie noted" (all that will ever be sent
 * has ended; rings a thousand times). */
#endif
