import * as Cron from "effect/Cron"

/** The first instant after `since` at which a schedule comes, in epoch milliseconds. Schedules are GMT, to the minute. */
export const nextTime = (schedule: string, since: number): number =>
  Cron.next(Cron.parseUnsafe(schedule, "UTC"), new Date(since)).getTime()

/** Whether a schedule has come since. */
export const isDue = (schedule: string, since: number, now: number): boolean => nextTime(schedule, since) <= now

/** How late a job may be before somebody should look: its schedule has come twice, and a quarter of an hour is over. */
const GRACE = 15 * 60_000

/** Whether a job that last did well at `since` should have done so again by now. */
export const isOverdue = (schedule: string, since: number, now: number): boolean =>
  nextTime(schedule, nextTime(schedule, since)) + GRACE <= now
