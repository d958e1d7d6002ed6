/* The lock of the live file (docs/live-file.md, 2), as a model for Spin.
 *
 *   spin -a lock.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * OWNERS processes take and release one lock; any of them may be killed between any two steps, and
 * started again as another owner, as long as there
 * are ids. What is checked: never are two owners that
 * live inside at once; a release finds the releaser's own id in the word; when nothing can happen
 * any more, nobody that lives waits for a lock that is free or a dead owner's.
 *
 * Variants, each of which must fail, or the model shows nothing:
 *   -DREUSED_IDS      an owner's id is given again after its death
 *   -DBLIND_TAKEOVER  a dead owner's lock is taken by a store instead of compare-and-swap
 *   -DEARLY_VERDICT   an owner counts as dead before its address space is freed
 *   -DASK_NEXT_FIRST  the inquirer reads NEXT_ID before it reads the word
 *   -DLATE_NEXT_ID    NEXT_ID is raised after the id was first used
 *   -DNO_NAPS         a waiter sleeps until it is woken, and asks nothing
 */
#ifndef OWNERS
#define OWNERS 3
#endif
#ifndef BIRTHS
#define BIRTHS 4 /* Ids that are drawn in all, those of the first owners among them. */
#endif
#ifdef REUSED_IDS
#define IDS OWNERS
#else
#define IDS BIRTHS
#endif

/* The word: the owner's id, 0: free; and the bit that says that others wait. */
byte word = 0;
bit waiters = 0;
/* Wake-ups of the futex that nobody has had. */
byte wakes = 0;
/* NEXT_ID: the number that the next owner gets. */
byte next_id = 1;
/* The liveness lock of each id: held as long as the address space. */
bit alive[IDS + 1];
/* Ids whose owners are inside, and live. */
byte inside = 0;
/* Kills that are left: one more than there are ids for. */
byte kills = BIRTHS - OWNERS + 1;
/* The place of the process that is killed next: an escape of Promela's is taken wherever it can be,
 * so that another process has to say when. */
byte condemned = 0;
/* Sleeping processes. */
byte asleep = 0;

/* Draws an id. The counter is raised before the id is anywhere else, by one atomic step. */
inline register() {
    atomic {
#ifdef REUSED_IDS
        next_id = IDS + 1;
        alive[place] = 1;
        own = place
#else
        if
        :: next_id > IDS -> goto end /* They are used up: a typed error, no owner. */
        :: else -> alive[next_id] = 1
        fi;
#ifdef LATE_NEXT_ID
        own = next_id
#else
        /* In this order: who has an id can be killed from there on. */
        next_id++;
        own = next_id - 1
#endif
#endif
    }
}

/* CAS from what was read, to this owner's id; `bit` is the waiters bit that it leaves. */
inline swap(from, from_waiters, leave) {
    atomic {
#ifdef BLIND_TAKEOVER
        if
        :: from != 0 -> word = own; waiters = leave; had = 1
        :: from == 0 && word == from && waiters == from_waiters -> word = own; waiters = leave;
           had = 1
        :: else -> had = 0
        fi
#else
        if
        :: word == from && waiters == from_waiters -> word = own; waiters = leave; had = 1
        :: else -> had = 0
        fi
#endif
        if
        :: had -> is_inside = 1; inside++; assert(inside == 1)
        :: else
        fi
    }
}

proctype owner(byte place) {
    byte own = 0, seen = 0, next = 0;
    bit seen_waiters = 0, had = 0, slept = 0, dead = 0, is_inside = 0, is_asleep = 0;
    {
    register();
    do
    :: /* Take: look, and swap if it is free. */
        do
        :: had -> break
        :: else ->
            /* What was seen before is forgotten: fewer states. */
            d_step { seen = 0; next = 0; seen_waiters = 0; dead = 0 };
#ifdef ASK_NEXT_FIRST
            next = next_id;
#endif
            atomic { seen = word; seen_waiters = waiters };
            if
            :: seen == 0 ->
                swap(0, seen_waiters, (seen_waiters || slept))
            :: else ->
                /* Says that it waits, sleeps, and asks whether the owner lives. */
                if
                :: seen_waiters == 0 ->
                    atomic {
                        if
                        :: word == seen && waiters == 0 -> waiters = 1; seen_waiters = 1
                        :: else -> seen = 0
                        fi
                    }
                :: else
                fi;
                if
                :: seen == 0 -> skip
                :: else ->
                    /* futex: sleeps only if the word is still what it was. */
                    atomic {
                        if
                        :: word == seen && waiters == 1 -> is_asleep = 1; asleep++
                        :: else
                        fi
                    };
                    if
                    :: is_asleep ->
                        if
                        :: atomic { wakes > 0 -> wakes--; asleep--; is_asleep = 0 }
#ifndef NO_NAPS
                        :: atomic { asleep--; is_asleep = 0 } /* the nap is over */
#endif
                        fi
                    :: else
                    fi;
                    slept = 1;
                    if
                    :: word == seen ->
#ifdef NO_NAPS
                        dead = 0;
#else
#ifndef ASK_NEXT_FIRST
                        next = next_id;
#endif
                        /* Two questions: below NEXT_ID, and whether its byte is locked. */
                        dead = (seen >= next);
                        if
                        :: dead
                        :: else ->
#ifdef EARLY_VERDICT
                            if
                            :: dead = 1
                            :: dead = !alive[seen]
                            fi
#else
                            dead = !alive[seen]
#endif
                        fi;
#endif
                        if
                        :: dead ->
                            atomic { seen_waiters = waiters };
                            swap(seen, seen_waiters, 1)
                        :: else
                        fi
                    :: else
                    fi
                fi
            fi
        od;
        /* Inside. Then release: an exchange, which says whose it was. */
        atomic {
            assert(word == own);
            seen = 0;
            next = 0;
            dead = 0;
            had = 0;
            slept = 0;
            word = 0;
            seen_waiters = waiters;
            waiters = 0;
            is_inside = 0;
            inside--;
        };
        if
        :: seen_waiters -> atomic {
            if :: asleep > wakes -> wakes++ :: else fi;
            seen_waiters = 0
        }
        :: else
        fi;
        if
        :: skip
        :: goto gone
        fi
#ifdef LATE_NEXT_ID
        ; atomic { if :: next_id <= own -> next_id = own + 1 :: else fi }
#endif
    od
    } unless {
        /* Killed, between any two steps: it is inside no more, and then its memory is freed. */
        atomic { condemned == place && own != 0 -> condemned = 0 };
        atomic {
            if :: is_inside -> inside-- :: else fi;
            if :: is_asleep -> asleep-- :: else fi;
            alive[own] = 0;
            /* Another process is started in its place. */
            run owner(place);
        }
    };
    goto end;
gone:
    atomic { alive[own] = 0 };
end:
    skip
}

active proctype killer() {
    byte victim = 1;
    do
    :: atomic { kills > 0 && condemned == 0 ->
        do
        :: victim < OWNERS -> victim++
        :: break
        od;
        kills--;
        condemned = victim;
        victim = 1
    }
    :: break
    od
}

init {
    atomic {
        byte started = 0;
        do
        :: started < OWNERS -> run owner(started + 1); started++
        :: else -> break
        od
    }
}
