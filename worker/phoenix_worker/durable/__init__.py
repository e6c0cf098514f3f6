"""The protocol of durable tasks: what is true at every moment, whoever dies. It knows Redis and Celery, not Proxmox.

The ledger (Redis scripts in `lua/`) is the truth; Celery's messages only ring the bell. One record per task id.

Record before send.     A message is in the ledger before it is in a queue (`record`, in the producer's publish hook).
                        Until it is claimed it is due: lost, it is sent again. A message of a sender that knows no
                        ledger is recorded at its first claim; an id that was seen before is a duplicate.
What may be pushed.     A message that is not in the ledger is held to rules before it is recorded (`admission`): a
                        public task, a canonical UUID, limited sizes, no expiry, no retries. What it embeds is held to
                        the same, and reduced to a task, arguments and an id (`signatures`); it goes to our queue alone.
                        Celery has the state of a run under the names of headers: of those only what tells of the
                        message is taken, from any message (`message_form`). What says that it is in the ledger is
                        delivered only to a task that claims; one of Celery's own would run at once (`transport`).
                        What is said to all workers, and is no command, is dropped, and senseless ones are refused
                        (`control`). Nothing is answered under an id of another job, though it is embedded (`results`).
Claim before run.       `claim` lets one runner have a task: parked, replaced, finished, older and doubly delivered
                        messages are dropped, and so is one whose name, body or headers that decide are not what is
                        recorded. Each claim counts the run number up, and every later script of the run carries it,
                        with what names the claim: a runner that was declared dead and wakes up (SIGSTOP) is refused
                        everything, also by a Redis that has forgotten its run and counts the same number again.
Words.                  `hold`, `wait` and `sleep` answer at once or park: the run ends, its slot is free, the task is
                        run from its top when what it waits for has happened. `once` journals the intent, does the
                        effect, journals the result; a later run returns the result, or adopts what an intent without
                        a result has left. `read` returns in every run what the first one read; it is journalled with
                        the next word, before anything is done. A run that backs off keeps nothing that it read since
                        its last word: that may be its trouble. Journal, run count and count of idle runs belong to
                        (id, generation).
Coming forward.         Trouble is tried again for the engine's patience, counted anew from each word on that journals a
                        step for the first time, or a choice. What was forgotten is no such step when it is done again
                        (`forget`): each name counts once in a generation, there are finitely many, and so none goes on
                        for ever. Each name that is numbered needs something that ends by itself for the next number.
Locks.                  A sorted set per lock: score 0 owns, any other score is a waiter's publish sequence. Owners are
                        task ids, not processes: a lock stays through parking, replacement and deaths. It passes to the
                        first waiter in the script that ends its owner. Links inherit the sequence of their request.
                        Of several, `hold_shortest` joins the shortest line in one script, and a task stays in its line.
                        Who did nothing with a lock, and meets trouble, can `give_back` it: those who wait for it run
                        into the trouble beside it, not each after the patience of the one before. A turn in a line
                        is no part of the patience with trouble.
Choices.                `settle` makes a choice for a job once, and reserves what it takes in the same script, unless
                        others have reserved since it was thought out: then it is thought out again. Every later run
                        of the job gets the same choice. A reservation ends with its job.
Replace.                `replace` marks the parent replaced and records its first child in one script. Child ids derive
                        from the parent's id, generation and position, so that doing it twice is doing it once. The
                        last link inherits the parent's id, and with it the locks, but in a new generation.
Succession.             `land` records a link's successor and marks the link landed in one script, which ends it too
                        unless its result is wanted. Of such a link `finish` is refused where Redis has lost that it
                        landed, and it is run again. A run of a landed link returns the same value and never acts.
                        Callbacks and errbacks get derived ids too.
Hearts.                 Each worker incarnation beats in `workers`. What one ran whose last beat is older than the TTL
                        is due at once, as is what a child process dies with; members of chords when Celery's lease of
                        the body is over (`chord`). A task that takes a worker with it in each of N runs is given up.
Going back.             A Redis that crashed, or whose replica took over, may have lost its last writes: `ticks` is then
                        behind what workers saw. Each worker compares what the ledger says that it runs with what it
                        has, in every tick, and gives the rest back (`disown`); so does who has the turn with its looks.
                        What it forgot may be run again before any tick. A process whose connection was cut off, which
                        is how each such end of a Redis shows (`reconnects`), has `once` look for a while for what was
                        done, also where the journal has no intent. One that begins after that sees by the ledger that
                        the workers before it met another server (`meet`): then all do so for as long. One that was
                        emptied ends no connection: the worker that sees it in a tick looks likewise. A run whose task
                        and job are both gone answers its requester; nobody else can.
Clock.                  Workers compare the clock of Redis with their own. When it was set, `tick` moves open times
                        by as much, before it takes anybody for dead; a worker's first tick takes nobody for dead.
                        When it was set back while none lived, `ticked` is still to come, which tells the next one; what
                        was only recorded meanwhile is due later than any message may be, and is looked at in that tick.
                        Until a tick has noticed, patience and the age of what is watched go by the earlier of the two.
                        A run tells the time by the clock of Redis, as of its claim (`now` in `run`): machines differ.
Due.                    Time is a score in `due`, never an ETA message. `tick`, which every worker runs, returns what
                        is overdue; a queued message only if its queue is empty or a later one of that queue was
                        claimed or is next in it: late is not lost. A death has all that is queued looked at.
Patience.               A Redis that is away, full or read-only is waited for by whatever needs it: scripts, results,
                        the consumer (`patience`). Only then Celery connects again. What was taken from a queue is noted
                        in the ledger alone (`ack_emulation`).
Ends.                   `finish` ends a task, stores its result, passes its locks on, and ends its job with the last
                        link. A link whose result nobody wants ends as it lands, but for the last. A failure ends all
                        unfinished members of the job; those who wait for a lock whose owner was replaced to have built
                        what it protects hear the cause at once. Done is final: a tombstone answers duplicates for as
                        long as results are kept. Who shares a run is given its answer by `tick` (`for_others`), and is
                        run again only if it has more to do than answer. A condemned task may say words while it cleans
                        up (`unwind`), and park.
Set aside.              No record ends or delays a loop that serves all: `tick` handles each by itself, and one that
                        raises is set aside (`state` aside, why in `aside`), out of `due` and of every line.
                        `cancel` ends its job, and who shared its run has one of its own.
                        So is what is woken for a lock or an event, and what no message can be made of, or none that
                        workers would take (`ring`, `doorbell`).
                        So is a task whose claim, or whose end, Redis refuses several times (`refused`): Celery would
                        answer its requester, and the ledger not hear of it.
                        What all requests share (`due`, `parked`, a lock …) is looked at by each tick: a key of
                        another kind, or a counter that is no number, is removed or begins again.
                        So is what a job has beside its records, by each claim and comparison (`mend_parts`).
                        A remote job that cannot be looked at sets aside those who wait for it (`unwatch`).
Reconciling.            The record of a task says where it stands. What finds it (lines, due times, who waits for
                        what, what is watched, who runs it, members, owners) is compared with the records by each
                        worker, some of it with each heartbeat, and entered again where it was deleted (`reconcile`).
                        A deleted lock is made again before anybody takes it; one whose owner has no record passes on.
                        A job that lost the step that it was at ends with a failure (`forgotten`), once no worker runs
                        that step and nothing that it waits for is watched: its request is run again, condemned, and
                        what its other tasks held has passed on by then. Where the request is lost too, or nothing tells
                        which step is, the job is set aside.
                        A record counts what is kept in its journal: of one that lacks some of it, what `once` does is
                        looked for before it is done, as after a loss of writes.
Keys.                   Every key has a TTL or is deleted by the script that ends its owner; what remains are counters,
                        and what somebody has said until it is taken back (`tables`).

    t:{id}             the record: message, generation, sequence, state queued | running | parked | replaced | aside |
                       done, run number, worker, what it waits for, locks held
    j:{id}             the journal of the current generation: `step` result, `?step` intent, `!step` how often it was
                       forgotten, `~n` end of the n-th sleep
    job:{id}           one request: state, times, how far one is that looks at much (`looked`); `:members` unfinished
                       tasks, `:steps` values, `:log` its history
    due                id -> when it is looked at again
    workers, runs:{w}  heartbeats; what each incarnation runs. `queues` has what it takes from, unless that is all
    lock:{name}        owners and waiters; `capacities` how many places it has, `held` when it last got an owner
    ev:{event}, :w     a value that became known; who waits for it
    watch, watched     remote jobs: when to look next; what to look at. `watch:turn` says who looks, `watch:looks` at
                       what: who takes the turn from a dead worker looks there at once. `watch:unseen` has those of
                       which the last look, whoever made it, saw nothing
    ticks, ticked, set counts the ticks of all workers; when the last was; by how many seconds the clock was set
    pos:{q}, claimed   places in queues, to tell late from lost; `seq` counts what was published
    events             what became of jobs, for whoever follows; trimmed, and gone when a week brings none
    aside              records that no script can handle, by when they were set aside
    parked             how many tasks are parked, by what on; `job:{id}` adds up for how long its own were (`parked:…`)
    flight:{what}      the request that others for the same may join; `job:{id}:followers` who did,
                       `:answer` what they are given
    jobs, open         requests by the time of their coming, for lists: all of a week, and those that have not ended
    note:{name}        a fact that a job keeps for those to come, for a week
    reservations       what jobs have chosen and nothing shows yet, by job; `reserved` counts all that were ever made,
                       `reserved:lately` has those of jobs that ended a moment ago; `drained` what takes nothing new
    server, replaced   the process of Redis that the latest worker met: it has no TTL, since the next worker may come in
                       a year; for five minutes, that it was another one before
    learned:{class}    what remote jobs took before; `written` is set to see that Redis takes writes
"""
