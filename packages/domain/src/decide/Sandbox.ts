import { HOUR, timestampText } from "../Timestamp.ts"
import { type Decider, invalid, refuse, succeed } from "./Decision.ts"

/** How far ahead a sandbox's clock may stand: 1,000,000 hours, some 114 years. */
const MAX_OFFSET_HOURS = 1_000_000

/** Decides `Sandbox.AdvanceClock`: forward only, sandboxes only. */
export const sandboxAdvanceClock: Decider<"Sandbox.AdvanceClock"> = (state, { hours }) => {
  if (!state.settings.sandbox) return refuse({ _tag: "NotASandbox" })
  const clockOffsetHours = state.clockOffsetHours + hours
  if (clockOffsetHours > MAX_OFFSET_HOURS) {
    return invalid("hours", `the clock would stand more than ${MAX_OFFSET_HOURS} hours ahead`)
  }
  return succeed(
    { now: timestampText(state.now + hours * HOUR) },
    { ground: { _tag: "ClockAdvanced", clockOffsetHours } }
  )
}
