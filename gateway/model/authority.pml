/*
 * Who may energise the bus: election, permits and one deal, among three units that lose messages, die and come back.
 * gateway/test/model.test.ts has spin search every state of it. Transitions bear the names of the code:
 * cluster/election.ts, cluster/permit-holder.ts, controller/permit-watch.ts, unit/command-desk.ts,
 * grid-master/{deal-table,permits,take-over,hand-over}.ts.
 *
 * Abstractions
 * - One tick is half of permitMsec. Between two ticks everything may happen, in any order, or not.
 * - A `grid` and a command are each a slot at their receiver: what lies there may be late (it stays), lost (it is
 *   overtaken or dropped), and says what was true when it was sent. A grid master says `grid` when it has just heard a
 *   beacon of the receiver, so the age of the one is the age of the other. Beacons may go unheard for ever.
 * - The deal is one journalled record of both its parties, units 0 and 1; either may hold the voltage. Unit 2 votes,
 *   and is grid master of term 1. A term has one grid master (asserted), so a term names it.
 * - Any unit may `stand` for the next term at any time here: offered or not, which contains a planned transfer (RULE-6),
 *   and whether it has heard the grid master long ago or takes it for ended by mistake (`vacate`).
 * - A crash leaves the converter as it is; `apis safe-stop` reaches it before its permit and the reference's delay have
 *   passed (RULE-11, RULE-17). A new process forgets its permit, and what was said to its former session is void.
 *
 * Each of these names, given to spin with -D, takes one rule away; spin must then find what goes wrong:
 * NO_FENCE   RULE-2, INV-6: terms are not compared before a driver write
 * NO_PERMIT  RULE-2, INV-2: the permit is not looked at before a driver write
 * NO_RULE_1  a permit lasts from its arrival, not from the beacon that it echoes
 * NO_RULE_7  constant current does not look after its reference, nor the grid master after its echo
 * NO_RULE_8  droop goes although the other reference has not left
 * RULE-3 and RULE-4 are in the model, too. With two converters the fence and the voltage check cover for them.
 * -DREACHES=1 or 2 instead asks whether the model gets somewhere at all; spin must then find the way.
 */

#define LAST_TERM 2
#define NOBODY 3

#ifndef PERMIT
#define PERMIT 2                       /* permitMsec; 1 where there would be too many states */
#endif
#ifdef NO_RULE_7
#define REFERENCE_DELAY 0
#else
#define REFERENCE_DELAY 1              /* scramVoltageReferenceDelayMsec */
#endif
#define PERMITS_END (PERMIT + 1 + 1)   /* permits.ts: permit, reference's delay, margin */

mtype = { follower, candidate, leader };
mtype = { WAIT, VOLTAGE_REFERENCE, CONSTANT_CURRENT };
mtype = { none, created, activated, rampedUp, started, stopped };
mtype = { nothing, energise, start, halt, willHandOver, willTakeOver, didHandOver, didTakeOver };

/* What every unit has. */
typedef Unit {
	bit isUp;
	mtype role;
	bit obeys;                         /* it knows the grid master of its term */
	byte term;                         /* durable, as is the vote */
	byte votedFor;
	/* In office: the deal as it knows it, how long it leads, whom it has heard in its term. */
	mtype book;
	byte elapsed;
	bit hasHeard[3]
};
Unit unit[3];

/* What the parties have besides. */
typedef Party {
	mtype mode;                        /* of the converter, which outlives the process */
	bit hasDroop;
	byte permitLeft;                   /* ticks, for … */
	bit mayHold;                       /* … constant voltage */
	bit mayPush;                       /* … constant current */
	byte delayLeft;                    /* of a reference without a permit */
	bit hasLostReference;              /* it restarted, or is silent */
	bit hasEchoed;                     /* as reference: it heard a `grid` of this tick */
	mtype command;                     /* waits in the device queue */
	byte commandTerm;
	bit gridIsHere;                    /* `grid` on its way */
	byte gridTerm;
	byte gridLeft;
	bit gridHolds;
	bit gridPushes
};
Party party[2];

/* Journalled by both parties. */
mtype deal = none;
byte reference = 0;
bit isHandingOver = 0;
#define partner (1 - reference)

/* The voltage is there: noticed by everybody's meter, and only once the reference has ramped it up. */
bit isLive = 0;

byte crashesLeft = CRASHES;
byte dealsLeft = DEALS;
byte handOversLeft = HAND_OVERS;
bit isElected = 0;

#define holds(p) (party[p].mode == VOLTAGE_REFERENCE)
#define isOut(p) (party[p].mode != WAIT)
#define hasLeave(p) (party[p].permitLeft > 0 || party[p].delayLeft > 0)
#define INV_1 (!holds(0) || !holds(1) || (party[0].hasDroop && party[1].hasDroop))
#define INV_2 ((!isOut(0) || hasLeave(0)) && (!isOut(1) || hasLeave(1)))

inline toWait(p) {
	party[p].mode = WAIT;
	party[p].hasDroop = 0;
	party[p].delayLeft = 0;
	isLive = isLive && (holds(0) || holds(1))
}

/* --- cluster/election.ts --- */

inline becomeFollower(u) {
	unit[u].role = follower;
	unit[u].obeys = 0;
	unit[u].book = none;
	unit[u].elapsed = 0;
	unit[u].hasHeard[0] = 0; unit[u].hasHeard[1] = 0; unit[u].hasHeard[2] = 0
}

inline follow(u, newTerm) {
	becomeFollower(u);
	unit[u].term = newTerm;
	unit[u].votedFor = NOBODY
}

inline stand(u) {
	follow(u, unit[u].term + 1);
	unit[u].role = candidate;
	unit[u].votedFor = u
}

#define votes(u, v) (unit[v].isUp && unit[v].term == unit[u].term && unit[v].votedFor == u)
#define hasMajority(u) (votes(u, 0) + votes(u, 1) + votes(u, 2) >= 2)

inline win(u) {
	assert(!isElected);
	isElected = 1;
	unit[u].role = leader;
	unit[u].obeys = 1;
	/* Nobody votes in this term any more: who voted for whom tells states apart for nothing. */
	unit[0].votedFor = NOBODY; unit[1].votedFor = NOBODY; unit[2].votedFor = NOBODY
}

/* --- cluster/permit-holder.ts, controller/permit-watch.ts --- */

/* Constant current leaves at once, the reference a while later (RULE-7). */
inline withoutPermit(p) {
	party[p].permitLeft = 0;
	party[p].mayHold = 0;
	party[p].mayPush = 0;
	party[p].hasLostReference = 0;
	if
	:: holds(p) && party[p].delayLeft == 0 && REFERENCE_DELAY > 0 -> party[p].delayLeft = REFERENCE_DELAY
	:: isOut(p) && (!holds(p) || REFERENCE_DELAY == 0) -> toWait(p)
	:: else
	fi
}

/* What grants nothing says nothing else either: fewer states to tell apart. */
inline grantNothing(p) {
	party[p].gridLeft = 0;
	party[p].gridHolds = 0;
	party[p].gridPushes = 0
}

inline takePermit(p) {
	if
	:: party[p].gridLeft > 0 ->
#ifdef NO_RULE_1
		party[p].permitLeft = PERMIT;
#else
		party[p].permitLeft = party[p].gridLeft; /* RULE-1: from the beacon that it echoes */
#endif
		party[p].delayLeft = 0;
		party[p].hasLostReference = 0;
		party[p].mayHold = party[p].gridHolds;
		party[p].mayPush = party[p].gridPushes;
		if
		:: (holds(p) && !party[p].mayHold) || (party[p].mode == CONSTANT_CURRENT && !party[p].mayPush) -> withoutPermit(p)
		:: else
		fi
	:: else /* RULE-4: what an older term granted runs out by itself */
	fi
}

inline hearGrid(u, itsTerm) {
	if
	:: itsTerm > unit[u].term -> follow(u, itsTerm)
	:: else
	fi;
	if
	:: unit[u].role == candidate -> becomeFollower(u)
	:: else
	fi;
	unit[u].obeys = 1
}

inline receiveGrid(p) {
	if
	:: party[p].gridTerm < unit[p].term /* INV-6 */
	:: else ->
		hearGrid(p, party[p].gridTerm);
		party[p].hasEchoed = (p == reference && party[p].gridLeft == PERMIT);
		takePermit(p)
	fi;
	party[p].gridIsHere = 0;
	party[p].gridTerm = 0;
	grantNothing(p)
}

/* --- grid-master/permits.ts --- */

#define isActive(m) (unit[m].book != none && unit[m].book != created)
/* RULE-4, RULE-9: who is there has answered; who is gone may push on, and its partner with it. */
#define knowsDeal(m) ((unit[m].hasHeard[0] || !unit[0].isUp) && (unit[m].hasHeard[1] || !unit[1].isUp))
#define grants(m) (isActive(m) && unit[reference].isUp && unit[m].hasHeard[reference])
#define grantsHolding(m, p) (grants(m) && (p == reference || isHandingOver))
#ifdef NO_RULE_7
#define isEchoed(m) 1
#else
/* RULE-7: constant current only while the reference provably hears this grid master. */
#define isEchoed(m) (party[reference].hasEchoed && unit[reference].term == unit[m].term)
#endif
#define grantsPushing(m, p) (grants(m) && knowsDeal(m) && unit[m].book == started && isEchoed(m) && \
	(holds(0) || holds(1)) && (p == partner || isHandingOver))

inline sayGrid(m, p) {
	party[p].gridIsHere = 1;
	party[p].gridTerm = unit[m].term;
	party[p].gridHolds = grantsHolding(m, p);
	party[p].gridPushes = grantsPushing(m, p);
	party[p].gridLeft = (party[p].gridHolds || party[p].gridPushes -> PERMIT : 0)
}

/* --- unit/command-desk.ts, controller/device-queue.ts --- */

#define isIdle(p) (party[p].command == nothing)

inline order(m, p, what) {
	party[p].command = what;
	party[p].commandTerm = unit[m].term
}

inline dropCommand(p) {
	party[p].command = nothing;
	party[p].commandTerm = 0
}

#define command(p) party[p].command
#define needsHolding(p) (command(p) == energise || command(p) == willTakeOver)
#define needsPushing(p) (command(p) == start || command(p) == didHandOver)
#ifdef NO_FENCE
#define isObeyed(p) 1
#else
#define isObeyed(p) (unit[p].obeys && party[p].commandTerm == unit[p].term)
#endif
#ifdef NO_PERMIT
#define isPermitted(p) 1
#else
#define isPermitted(p) (party[p].permitLeft > 0 && (!needsHolding(p) || party[p].mayHold) && \
	(!needsPushing(p) || party[p].mayPush))
#endif
/* RULE-2: no second reference beside a voltage that is there. */
#define isQuiet(p) (command(p) != energise || !isLive)

/* Intent first: the record stands before the converter is touched. */
inline write(p) {
	assert(party[p].commandTerm == unit[p].term); /* INV-6 */
	if
	:: command(p) == energise ->
		assert(!isOut(1 - p)); /* INV-2: no deal begins beside a converter that is out of WAIT */
		deal = activated;
		party[p].mode = VOLTAGE_REFERENCE
	:: command(p) == start && !isOut(p) -> deal = started; party[p].mode = CONSTANT_CURRENT
	:: command(p) == halt -> deal = stopped; toWait(p)
	:: command(p) == willHandOver && holds(p) -> isHandingOver = 1; party[p].hasDroop = 1
	:: command(p) == willTakeOver && isHandingOver -> party[p].mode = VOLTAGE_REFERENCE; party[p].hasDroop = 1
	:: command(p) == didHandOver && holds(p) -> party[p].mode = CONSTANT_CURRENT; party[p].hasDroop = 0
	:: command(p) == didTakeOver && holds(p) -> party[p].hasDroop = 0; isHandingOver = 0; reference = p
	:: else
	fi
}

inline serve(p) {
	if
	:: isObeyed(p) && (command(p) == halt || isPermitted(p)) && isQuiet(p) -> write(p)
	:: else
	fi;
	dropCommand(p)
}

/* --- grid-master/take-over.ts --- */

/* RULE-3: an answer counts once the unit has promised the term, and comes after all older writes. */
#define answers(m, u) (unit[u].isUp && unit[u].obeys && unit[u].term == unit[m].term)

#define hasHeardAll(m) (unit[m].hasHeard[0] && unit[m].hasHeard[1] && unit[m].hasHeard[2])

inline hearMember(m, u) {
	unit[m].hasHeard[u] = 1;
	if
	:: knowsDeal(m) && unit[m].book == none -> unit[m].book = deal
	:: else
	fi;
	if
	:: hasHeardAll(m) -> unit[m].elapsed = PERMITS_END /* nothing to wait for */
	:: else
	fi
}

/* RULE-4 */
#define mayRaise(m) (unit[m].elapsed == PERMITS_END)

/* --- grid-master/deal-table.ts: rows as they are carried out --- */

#define leads(m) (unit[m].isUp && unit[m].role == leader)
#define commands(m) (leads(m) && knowsDeal(m) && isIdle(0) && isIdle(1))
/* A `deal.update`, fenced like every command. */
#define areWith(m) (answers(m, 0) && answers(m, 1))
/* RULE-10: nobody that was heard in this term is out of WAIT. */
#define hasSuspects (isOut(0) || isOut(1))
#ifdef NO_RULE_8
#define hasLeft(p) 1
#else
#define hasLeft(p) (!holds(p))
#endif

inline forgetDeal(m) {
	deal = none;
	isHandingOver = 0;
	reference = 0;
	unit[m].book = none
}

proctype Member(byte me) {
	do
	/* Election: stand, hear a beacon of a higher term, vote, win. */
	:: atomic { unit[me].isUp && unit[me].role != leader && unit[me].term < LAST_TERM && !isElected -> stand(me) }
	:: atomic { unit[me].isUp && unit[me].term == 1 && ((unit[0].isUp && unit[0].term == 2) ||
		(unit[1].isUp && unit[1].term == 2) || (unit[2].isUp && unit[2].term == 2)) -> follow(me, 2) }
	:: atomic { unit[me].isUp && unit[me].role == follower && unit[me].votedFor == NOBODY && !isElected ->
		if
		:: unit[0].role == candidate && unit[0].term == unit[me].term -> unit[me].votedFor = 0
		:: unit[1].role == candidate && unit[1].term == unit[me].term -> unit[me].votedFor = 1
		:: unit[2].role == candidate && unit[2].term == unit[me].term -> unit[me].votedFor = 2
		:: else
		fi }
	:: atomic { unit[me].role == candidate && hasMajority(me) -> win(me) }

	/* `grid`: late or lost on its way to a party, at once to unit 2 and to the grid master itself. */
	:: atomic { leads(me) && me != 0 && unit[0].isUp -> sayGrid(me, 0) }
	:: atomic { leads(me) && me != 1 && unit[1].isUp -> sayGrid(me, 1) }
	:: atomic { leads(me) && unit[2].isUp && !unit[2].obeys && unit[2].term <= unit[me].term ->
		hearGrid(2, unit[me].term) }
	:: atomic { leads(me) && me < 2 -> sayGrid(me, me); receiveGrid(me) }
	:: atomic { me < 2 && unit[me].isUp && party[me].gridIsHere -> receiveGrid(me) }

	/* The device queue. */
	:: atomic { me < 2 && unit[me].isUp && !isIdle(me) -> serve(me) }
	:: atomic { me < 2 && !isIdle(me) -> dropCommand(me) }

	/* Taking over. */
	:: atomic { leads(me) && !unit[me].hasHeard[0] && answers(me, 0) -> hearMember(me, 0) }
	:: atomic { leads(me) && !unit[me].hasHeard[1] && answers(me, 1) -> hearMember(me, 1) }
	:: atomic { leads(me) && !unit[me].hasHeard[2] && answers(me, 2) -> hearMember(me, 2) }

	/* created */
	:: atomic { commands(me) && areWith(me) && unit[me].book == none && deal == none && dealsLeft > 0 ->
		dealsLeft--;
		deal = created;
		unit[me].book = created;
		if
		:: reference = 0
		:: dealsLeft < DEALS - 1 -> reference = 1 /* the first one by symmetry */
		fi }
	:: atomic { commands(me) && unit[me].book == created && mayRaise(me) && !hasSuspects && !isLive ->
		unit[me].book = activated;
		order(me, reference, energise) }
	/* activated */
	:: atomic { commands(me) && unit[me].book == activated && !isOut(reference) && mayRaise(me) && !hasSuspects ->
		order(me, reference, energise) }
	:: atomic { commands(me) && unit[me].book == activated && holds(reference) && areWith(me) ->
		deal = rampedUp;
		isLive = 1;
		unit[me].book = rampedUp }
	/* rampedUp, warmedUp */
	:: atomic { commands(me) && unit[me].book == rampedUp && holds(reference) && mayRaise(me) ->
		unit[me].book = started;
		order(me, partner, start) }
	/* started */
	:: atomic { commands(me) && unit[me].book == started && !isHandingOver && holds(reference) && !isOut(partner) &&
		mayRaise(me) -> order(me, partner, start) }
	:: atomic { commands(me) && isActive(me) && unit[me].book != stopped && !isHandingOver ->
		unit[me].book = stopped;
		order(me, partner, halt) }
	/* stopped: constant current first, then the reference */
	:: atomic { commands(me) && unit[me].book == stopped && isOut(partner) -> order(me, partner, halt) }
	:: atomic { commands(me) && unit[me].book == stopped && !isOut(partner) && isOut(reference) ->
		order(me, reference, halt) }
	:: atomic { commands(me) && unit[me].book == stopped && !isOut(0) && !isOut(1) && areWith(me) -> forgetDeal(me) }

	/* Hand-over (RULE-8): what was begun under another term goes on from where it stands. */
	:: atomic { commands(me) && unit[me].book == started && !isHandingOver && handOversLeft > 0 && mayRaise(me) &&
		holds(reference) && party[partner].mode == CONSTANT_CURRENT ->
		handOversLeft--;
		order(me, reference, willHandOver) }
	:: atomic { commands(me) && isHandingOver && holds(reference) && party[reference].hasDroop && !holds(partner) ->
		order(me, partner, willTakeOver) }
	:: atomic { commands(me) && isHandingOver && holds(reference) && holds(partner) ->
		order(me, reference, didHandOver) }
	:: atomic { commands(me) && isHandingOver && holds(partner) && hasLeft(reference) ->
		order(me, partner, didTakeOver) }
	:: atomic { commands(me) && isHandingOver && !holds(0) && !holds(1) && areWith(me) ->
		isHandingOver = 0;
		unit[me].book = stopped }

	/* Death and rebirth of the process. */
	:: atomic { unit[me].isUp && crashesLeft > 0 ->
		crashesLeft--;
		unit[me].isUp = 0;
		becomeFollower(me);
		if
		:: me < 2 ->
			dropCommand(me);
			party[me].gridIsHere = 0; party[me].gridTerm = 0; grantNothing(me);
			/* The permit of the other names the process that has gone. */
			party[1 - me].hasLostReference = party[1 - me].mayPush;
			party[1 - me].gridPushes = 0
		:: else
		fi }
	:: atomic { !unit[me].isUp ->
		unit[me].isUp = 1;
		unit[0].hasHeard[me] = 0; unit[1].hasHeard[me] = 0; unit[2].hasHeard[me] = 0;
		if
		:: me < 2 ->
			toWait(me); /* RULE-17: before it joins */
			withoutPermit(me)
		:: else
		fi }
	od
}

/* --- time --- */

inline age(p) {
	if
	:: party[p].delayLeft > 0 ->
		party[p].delayLeft--;
		if
		:: party[p].delayLeft == 0 && party[p].permitLeft == 0 -> toWait(p)
		:: else
		fi
	:: else
	fi;
	if
	:: party[p].permitLeft > 0 ->
		party[p].permitLeft--;
		if
		:: party[p].permitLeft == 0 -> withoutPermit(p)
		:: else
		fi
	:: else
	fi;
#ifndef NO_RULE_7
	if
	:: party[p].hasLostReference && unit[p].isUp && !holds(p) -> toWait(p)
	:: else
	fi;
#endif
#ifndef NO_RULE_1
	if
	:: party[p].gridLeft > 0 ->
		party[p].gridLeft--;
		if
		:: party[p].gridLeft == 0 -> grantNothing(p)
		:: else
		fi
	:: else
	fi
#endif
}

inline ageOffice(u) {
	if
	:: unit[u].role == leader && unit[u].elapsed < PERMITS_END -> unit[u].elapsed++
	:: else
	fi
}

/*
 * A living unit pushes current into a bus that nobody holds. Hand-overs are left out: there the one that leaves becomes
 * constant current in the same command, and only the meter of the one that stays tells that it is there.
 */
#define isAdrift(p) (unit[p].isUp && party[p].mode == CONSTANT_CURRENT && !isLive && handOversLeft == HAND_OVERS)

proctype Time() {
	do
	:: atomic { true ->
		age(0); age(1); ageOffice(0); ageOffice(1); ageOffice(2);
		party[0].hasEchoed = 0; party[1].hasEchoed = 0;
		assert(!isAdrift(0)); assert(!isAdrift(1)) /* RULE-7 */ }
	od
}

/* Looks at every state. */
proctype Watch() {
	atomic { !INV_1 || !INV_2 -> assert(INV_1); assert(INV_2) }
}

#if REACHES == 1 /* a deal that outlives its grid master */
#define isReached (unit[0].role == leader && unit[0].book == started && holds(0) && party[1].mode == CONSTANT_CURRENT)
#elif REACHES == 2 /* a hand-over that is complete */
#define isReached (reference == 1 && holds(1) && !party[1].hasDroop && party[0].mode == CONSTANT_CURRENT)
#endif
#ifdef REACHES
proctype Reach() {
	atomic { isReached -> assert(false) }
}
#endif

init {
	atomic {
		byte u = 0;
		do
		:: u < 3 ->
			unit[u].isUp = 1; unit[u].term = 1; unit[u].votedFor = NOBODY; unit[u].obeys = 1;
			unit[u].role = follower; unit[u].book = none;
			u++
		:: else -> break
		od;
		party[0].mode = WAIT; party[1].mode = WAIT;
		party[0].command = nothing; party[1].command = nothing;
		unit[2].role = leader; unit[2].elapsed = PERMITS_END;
		unit[2].hasHeard[0] = 1; unit[2].hasHeard[1] = 1; unit[2].hasHeard[2] = 1;
#if DEALS == 0 /* begins in the middle of a deal */
		deal = started; unit[2].book = started; isLive = 1;
		party[0].mode = VOLTAGE_REFERENCE; party[0].permitLeft = PERMIT; party[0].mayHold = 1;
		party[1].mode = CONSTANT_CURRENT; party[1].permitLeft = PERMIT; party[1].mayPush = 1;
#endif
		run Member(0); run Member(1); run Member(2);
		run Time(); run Watch();
#ifdef REACHES
		run Reach()
#endif
	}
}
