/* Eight sessions, one thread: each takes the next job when it is through with one, and epoll tells which is. A job derives
 * a key from a word, as a password store does. Calls of one session run in order; sessions are what may overlap. */
#include <snakebridge.h>
#include <string.h>
#include <sys/epoll.h>

enum { SESSIONS = 8, JOBS = 24 };

static const char *const words[JOBS] = {
    "alder", "ash",   "beech", "birch",   "cedar", "cherry", "cypress", "elm",
    "fir",   "hazel", "holly", "juniper", "larch", "lime",   "maple",   "oak",
    "olive", "pine",  "plane", "poplar",  "rowan", "spruce", "willow",  "yew",
};

static struct worker {
    sb_session *py;
    sb_object call; /* of the job that it is at */
    int job;
} workers[SESSIONS];
static char keys[JOBS][17];
static int next_job;

/* Submits the next job, if there is one. */
static bool take(struct worker *w)
{
    if (next_job == JOBS)
        return false;
    w->job = next_job++;
    sb_bytes word = { (const unsigned char *)words[w->job], strlen(words[w->job]) };
    sb_bytes salt = { (const unsigned char *)"salt", 4 };
    w->call = sb_submit(w->py, "hashlib.pbkdf2_hmac", "sha256", word, salt, 5000, 8);
    return true;
}

static void read_key(struct worker *w)
{
    SB_SCOPE(w->py);
    sb_bytes key = sb_as_bytes(w->py, w->call);
    for (size_t i = 0; i < key.len && i < 8; i++)
        snprintf(keys[w->job] + 2 * i, 3, "%02x", (unsigned)key.ptr[i]);
    sb_release(w->py, w->call);
}

int main(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), busy = 0, failed = epoll < 0;
    for (int i = 0; i < SESSIONS && !failed; i++) {
        struct worker *w = &workers[i];
        w->py = sb_open();
        struct epoll_event e = { .events = EPOLLIN, .data = { .ptr = w } };
        failed = epoll_ctl(epoll, EPOLL_CTL_ADD, sb_fd(w->py), &e) != 0;
        busy += take(w);
    }
    while (busy && !failed) {
        struct epoll_event events[SESSIONS];
        int n = epoll_wait(epoll, events, SESSIONS, -1);
        for (int i = 0; i < n; i++) {
            struct worker *w = (struct worker *)events[i].data.ptr;
            if (!sb_wait(w->py, w->call, 0))
                continue;
            read_key(w);
            failed |= sb_failed(w->py); /* sb_close tells why */
            busy -= !take(w);
        }
    }
    for (int i = 0; i < JOBS; i++)
        printf("%-8s %s\n", words[i], keys[i]);
    for (int i = 0; i < SESSIONS; i++)
        failed |= sb_close(workers[i].py);
    return failed;
}
