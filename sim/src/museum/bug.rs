//! The bugs that can be planted: what goes wrong in whom.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// The scheduler writes without looking whether it still holds the lock.
    Unfenced,
    /// The scheduler sends a write without a condition.
    Blind,
    /// An agent writes what another host's agent should.
    WrongKey,
    /// The scheduler writes a task under one of its two keys.
    HalfPair,
    /// The scheduler takes an unknown outcome for a no, and tries again with a new id.
    UnknownIsNo,
    /// The scheduler sends more at once than the store takes.
    TooLarge,
    /// The scheduler believes that hosts have four times their memory.
    Overcommit,
    /// The scheduler gives every task of a host the same port.
    SamePort,
    /// The scheduler does not hear of drains, and places on drained hosts.
    PlacesOnDrained,
    /// The scheduler places on a host whatever became of it since it heard of it last.
    PlacesUnasked,
    /// The scheduler believes in a larger `max`.
    ExceedsMax,
    /// The scheduler numbers every placement alike.
    SameGeneration,
    /// The scheduler believes that `min` is 0.
    IgnoresMin,
    /// The agent stops everything when it cannot read what it shall run.
    StopsOnError,
    /// The same, while nobody can read.
    StopsInOutage,
    /// The scheduler changes a placement in place.
    ChangesInPlace,
    /// The scheduler starts a version that nobody has defined.
    GhostVersion,
    /// The scheduler takes a record that it cannot read for one that wants nothing.
    RubbishIsZero,
    /// The agent starts each task twice.
    StartsTwice,
    /// The agent believes that whatever it stops is gone at once.
    LeavesOrphans,
    /// The agent clears away what is not its own.
    TouchesForeign,
    /// The scheduler sees hosts that do not exist, and so does not notice that all are silent.
    SeesPhantoms,
    /// The agent starts what ended again at once.
    NoBackoff,
    /// The agent takes back what it said of a task.
    GoesBackwards,
    /// The scheduler forgets to enter what it gave away in the ledger.
    ForgetsLedger,
    /// The agent believes that its watches are never deaf.
    TrustsSilence,
    /// The agent starts nothing.
    StartsNothing,
    /// The scheduler writes the same again and again.
    NeverRests,
    /// Nobody takes a lock a second time.
    NoSuccessor,
    /// The scheduler does not hear that hosts are gone.
    DeafToLoss,
    /// The scheduler does not hear of drains.
    IgnoresDrain,
    /// The agent stops what others are still sent to.
    StopsRegistered,
    /// The agent never looks whether the registry has forgotten.
    TrustsRegistry,
    /// The scheduler does not hear what runs although the store lost its record.
    DeafToOrphans,
    /// The agent stops what the store has forgotten.
    StopsForgotten,
    /// The scheduler takes a record of a newer major version for one of its own.
    TouchesNewer,
    /// The scheduler loses what it does not know when it rewrites a record.
    DropsUnknown,
    /// The scheduler wants one task more than users do.
    WantsMore,
    /// The scheduler waits for a task to prove itself far too long.
    NeverSatisfied,
    /// The agent orders nothing to stop.
    NeverStops,
    /// The scheduler does not hear that a host is drained no longer.
    IgnoresUndrain,
    /// The scheduler does not hear that a host is back, and does not ask when it gives it up.
    DeafToReturn,
    /// The scheduler never forgets a service.
    NeverForgets,
    /// The agent starts nothing a second time.
    NeverRestarts,
    /// The scheduler does not hear that a version is replaced.
    IgnoresFix,
    /// The scheduler sends what a store refused again at once.
    InsistsAtOnce,
    /// The agent lists again as soon as it was told, once a watch has ended.
    PollsForEver,
    /// The scheduler reads what it is in doubt of again and again.
    DoubtsForEver,
    /// The agent opens no second session.
    NeverReturns,
    /// Agents open sessions only on the stroke of every tenth second.
    ReturnsTogether,
    /// An agent that begins overlooks what was being started, and tries it again.
    OverlooksHalfStarted,
    /// A scheduler that begins leaves alone what is issued in part.
    LeavesHalfIssued,
    /// The scheduler counts a task that it stops as one that is left, until its next transaction.
    StopsFirst,
    /// The agent kills what it should ask to end.
    Impatient,
    /// The scheduler believes that what is being stopped is gone.
    BelievesEarly,
    /// The scheduler plans what it has done already.
    Repeats,
    /// The scheduler looks at no configuration any more once it has seen rubbish there.
    RubbishBlinds,
    /// The agent takes a task for healthy before anybody has looked.
    TrustsStarts,
    /// The scheduler does not hear that services are deleted.
    DeafToDeletes,
    /// The agent counts the starts of a new placement where those of the one before ended.
    InheritsAttempts,
    /// The agent never clears away what it said of tasks that are gone.
    Hoards,
    /// The agent never removes what is left of runs.
    KeepsRemains,
    /// The scheduler does not hear that hosts are unfit.
    DeafToIlls,
    /// The agent does not say that its host is unfit.
    HidesIlls,
    /// The agent offers its host before it has said what its executors can.
    OffersUnasked,
    /// The scheduler takes a system service for any other.
    CountsSystem,
    /// The scheduler lets an update of a system service go to all hosts at once.
    HurriesSystem,
    /// The scheduler lets more tasks of a batch service run at once than it may.
    HurriesBatch,
    /// The scheduler lets more tasks of a batch service complete than shall.
    Insatiable,
    /// The scheduler forgets how many tasks of a batch service have completed.
    ForgetsCompleted,
    /// The scheduler does not hear that a task has run to its end.
    DeafToEnds,
    /// The agent takes every end for a good one.
    TrustsEnds,
    /// The scheduler does not read what a service asks of its hosts.
    ForgetsRules,
    /// The scheduler takes the least bid for the highest.
    TakesLeastBid,
    /// The scheduler never takes back what it offered.
    LeavesOffers,
    /// The scheduler takes an exclusive service for any other.
    SharesExclusive,
    /// The scheduler does not hear that a start took down an agent.
    ForgetsBlame,
    /// The scheduler believes that nothing has changed since it read last when it takes a lock.
    DecidesUnread,
    /// The scheduler takes a version for proven as soon as it works.
    ProvesAtOnce,
    /// The store is not told of starts.
    StartsUntold,
    /// The agent does not say why.
    Mute,
    /// The scheduler does not say why.
    GivesNoReason,
    /// The scheduler has others make room for a service that does not ask for it.
    TakesRoomUnasked,
    /// The scheduler takes everybody else for less important.
    Arrogant,
    /// The scheduler does not hear that a service may take room.
    Modest,
    /// The scheduler takes all tasks of a service for ones that users asked to be moved.
    MovesAll,
    /// The scheduler takes what became of a write, which it does not know, for a refusal, and goes on under its tenure.
    KeepsTenure,
    /// The scheduler has stopped what users asked to be moved as soon as it issues its successor.
    MovesFirst,
    /// The agent takes another one of its host's name for itself.
    TakesNames,
    /// The scheduler takes a pattern for one that a part of the text must match.
    MatchesInPart,
    /// The scheduler keeps the tasks of a service away from those of another, and not the other way round.
    KeepsAwayOneWay,
    /// The scheduler reserves as much memory for a task as it may use.
    ReservesLimits,
    /// The agent lets no task use more memory than it reserves.
    LimitsToReserved,
    /// The agent takes what a task reserves of the processor for all that it may take.
    SlowsToReserved,
    /// The scheduler does not hear what the policies of hosts forbid.
    ForgetsPolicies,
    /// The agent neither says nor heeds what its host's policy forbids.
    HeedsNoPolicy,
    /// The agent takes what it finds for begun just then.
    ForgetsAges,
    /// The agent believes that an executor which cannot tell what it runs runs nothing.
    TakesSilenceForNothing,
    /// The agent takes what it has ordered to be started for started.
    TrustsOrders,
    /// An agent that begins forgets how often a task has ended.
    ForgetsFailures,
    /// The scheduler takes tasks of a new version for proven as soon as they work.
    TrustsNewcomers,
    /// The scheduler forgets which version worked when another one comes.
    ForgetsStable,
    /// The agent says of what ran to its end that it is dead.
    BuriesCompleted,
    /// The scheduler knows no other hosts for a service than those where it fails.
    KnowsNoOthers,
    /// The agent that ends in order does not say so of what it is starting.
    LeavesUnsaid,
}
