/** What to do about a fault, by the beginning of its reason. For the one who stands there. */
export const ADVICE_EN = {
  'action.': 'A measure did not help. Look at the fault that it was meant for.',
  'battery.lock-failed': 'The battery could not be reserved. See whether another program uses it.',
  'deal.': 'The deal was ended and its energy recorded. Nothing to do unless it comes again and again.',
  'deal.compensation-failed':
    'The voltage could not be set for this deal. Look at the converter of the house that holds the voltage.',
  'deal.last-reading-failed': 'The last meter reading is missing; the energy up to the one before is recorded.',
  'deal.not-settled':
    'Both houses did not agree on what was exchanged; it is asked again. Check the network if it stays.',
  'deal.not-stopped': 'A deal would not end: make sure at both its houses that the converters wait.',
  'deal.stop-failed': 'A deal would not end: make sure at both its houses that the converters wait.',
  'device.': 'See the device’s own display and log; trading resumes by itself when it works again.',
  'device.at-rest': 'The converter was in WAIT already when its current was to be changed. Nothing has to be done.',
  'device.bad-command': 'The command does not fit what the converter is doing. Report the message if it comes again.',
  'device.bad-value':
    'The device sent a value that cannot be. Check its meter, its wiring and the units that the flow uses.',
  'device.bus-live': 'There is voltage on the bus although nobody holds it. Look for a second source.',
  'device.checkpoint':
    'The converter has not reached what it was told in time. Check its wiring; if it comes again, have it calibrated.',
  'device.degraded-stop': 'The converter was stopped, but not in even steps. Look for the device fault before it.',
  'device.duplicate-reply': 'A command was answered twice. See that the flow answers each command once.',
  'device.failed': 'The device reports an error. Read its display and log.',
  'device.late-reply': 'A reply came after its command had been given up. See what slows the flow or the line.',
  'device.malformed':
    'The device sent something unreadable. Check cable, address and what the flow makes of its values.',
  'device.no-authorization-voltage':
    'The policy leaves no voltage to test the bus with. Widen its range of operating voltages.',
  'device.no-heartbeat':
    'The flow no longer tells that the device is there. See that Node-RED runs and that nothing in the flow blocks.',
  'device.no-reading': 'Check power, cable and address of the device. Trading resumes by itself when it answers.',
  'device.no-reply': 'Check power, cable and address of the device. Trading resumes by itself when it answers.',
  'device.out-of-range': 'A limit in the configuration does not fit this device. Check its hardware file.',
  'device.refused': 'The device said no; the message says why. See whether local control or an interlock is on.',
  'device.silent': 'Check power, cable and address of the device. Trading resumes by itself when it answers.',
  'device.slow-stop': 'The converter is not known to have stopped in time. Go there and see that it waits.',
  'device.stale':
    'The device answers too late or not at all. Check its power and cable, and what else talks on the same line.',
  'device.stop-failed': 'Nobody knows whether the converter has stopped: go there and switch it off by hand.',
  'device.too-many-steps':
    'The step in the policy is too small for this change. Check the steps of voltage and current there.',
  'device.tripped':
    'The converter switched itself off. Read the cause on its display and remove it before it is reset.',
  'device.unknown-mode':
    'The converter reports a mode that its driver does not know. Check its firmware and its hardware file.',
  'device.unknown-state': 'The converter has not told its state. Check its power and cable if it stays.',
  'device.unsolicited': 'An answer came that nobody had asked for. See that the flow returns the id of its command.',
  'device.voltage-not-restored':
    'After a test the bus voltage could not be set back. Look at the converter if it comes again.',
  'device.wrong-mode': 'The converter does not do what it is told. Restart it; if it comes again, have it looked at.',
  'emergency-stop.unconfirmed':
    'Not every house confirmed the emergency stop: go to the silent ones and see that they wait.',
  'grid-master.': 'Another house takes over by itself. Look at this house’s network if it comes again.',
  'grid-master.members-silent': 'Too few houses can be heard. Check network and power of the silent ones.',
  'grid-master.quorum-lost': 'Fewer than half of the houses can be heard. Check network and power of the silent ones.',
  'grid.': 'The grid was put into a safe state. Trading resumes by itself once it stays away.',
  'grid.authorisation-failed':
    'The test of the bus voltage did not show what was expected. Look at meter and wiring of the house in the message.',
  'grid.balance':
    'What flows in does not come out again: look for a leak or a wrong meter before the bus is used again.',
  'grid.branch':
    'A line carried more than it may. Lower the current of deals across it, or check its limit in the policy.',
  'grid.bus-held-up':
    'The bus keeps its voltage although all converters wait. Look for a second source before anyone touches the line.',
  'grid.bus-in-uvlo-mask':
    'The bus stands where converters may not start. Wait until it has fallen, or look for a second source.',
  'grid.foreign-current': 'Current flows that no deal explains: look for a leak, a second source or a wrong meter.',
  'grid.idle-current': 'A converter that waits moves current: have it disconnected and looked at.',
  'grid.party-silent': 'One house of a deal cannot be heard and all was stopped. Check its network and power.',
  'grid.possibly-active': 'One converter may still be active. Go there and make sure that it waits.',
  'grid.ramp-up-timeout': 'The bus did not come up. Look for a short circuit, an open switch or a loose connector.',
  'grid.reference-lost': 'The house that held the voltage dropped out and all were stopped. Look at that house first.',
  'grid.second-reference':
    'Two houses hold the voltage. See that only one converter is in its voltage mode, by hand if need be.',
  'grid.voltage-spread': 'Houses see different voltages on one bus: look for an open or loose line, or a wrong meter.',
  'hand-over.': 'Passing the voltage on failed and was taken back. Nothing to do unless it comes again.',
  internal: 'A mistake in the program. Restart this house’s gateway and report the message.',
  'journal.failed': 'The disk cannot be written. Check free space and the card.',
  'journal.record-lost':
    'A damaged record of a deal was left out. Check the card; compare the energy with the other house.',
  'mode.not-saved': 'The mode holds now but not after a restart. Check free space and the card.',
  'operator.not-carried-out': 'What was asked for did not happen. Read the message and ask again.',
  'peer.': 'A house could not be reached. Check its network and power.',
  'peer.bad-revocation-list': 'The list of withdrawn certificates cannot be read. Put the file there again.',
  'peer.no-member':
    'Somebody who is not in the policy speaks here. Check who is on the network, and the policy’s list of members.',
  'peer.timeout': 'A house did not answer in time. Check its network and what loads its gateway.',
  'policy.differs': 'The houses do not have the same policy. Bring the same one to all of them.',
  'safety.':
    'The converter was stopped by itself. Compare the value in the message with the limit in the house’s hardware file.',
  'safety.active-without-deal':
    'The converter ran without a deal and was stopped. See that nobody switches it by hand.',
  'safety.battery-over-current':
    'Look at the battery’s fuses and cables; lower the current of deals if it comes again.',
  'safety.battery-over-voltage':
    'Look at the battery and its management system; do not charge it until its voltage is normal.',
  'safety.battery-permission': 'The battery forbids this direction. See what its management system says.',
  'safety.battery-under-voltage': 'The battery is too low. Charge it from the house before it trades again.',
  'safety.both-directions':
    'One deal charges here while another discharges: see which deal is wrong; both are ended by themselves.',
  'safety.current-off-command':
    'The converter does not carry the current it was told. Check its wiring and have it calibrated.',
  'safety.deal-not-allowed':
    'A deal runs here although this house’s mode forbids it. It is ended by itself; look at the mode if it comes again.',
  'safety.heavy-alarm': 'Read the alarm on the converter itself, follow its manual, and reset it there.',
  'safety.meter-missing':
    'The converter does not tell a value that must be watched, and was stopped. Check its meter, cable and firmware.',
  'safety.mode-against-deals':
    'The converter does something else than its deals say. See that nobody switches it by hand.',
  'safety.over-current':
    'The converter has let go by itself. Look for a short circuit on the bus before it is used again.',
  'safety.over-temperature': 'Let the converter cool down and check its fan and air inlet.',
  'safety.over-voltage':
    'The converter has let go by itself. See that nothing else feeds the bus, then check its voltage with a meter.',
  'safety.reference-overloaded':
    'The house that holds the voltage carried too much. Look for a load or a source that is in no deal.',
  'safety.under-temperature': 'Warm the place up; the converter works again within its range.',
  'safety.under-voltage': 'The bus sagged: look for a short circuit, a loose connector or too much load on the line.',
  'safety.unexpected-mode': 'Somebody or something else switches this converter. Take local control off.',
  'safety.unknown-mode':
    'The converter reports a mode that its driver does not know. Check its firmware and its hardware file.',
  'safety.voltage-off-command':
    'The converter does not hold the voltage it was told. Check its wiring and have it calibrated.',
  'safety.wrong-mode-text':
    'Mode and status of the converter contradict each other. Check its firmware and its hardware file.',
  'stop.failed': 'Nobody knows whether the converter has stopped: go there and switch it off by hand.',
  'store.failed': 'The disk cannot be written. Check free space and the card.',
  'store.recovered': 'A damaged file was replaced by its last good copy. Check the card.',
} as const;
