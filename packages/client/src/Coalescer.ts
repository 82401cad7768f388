import type { HttpExchange } from "./HttpExchange.ts"
import type { Start } from "./HttpTransport.ts"
import type { TransportFailure } from "./Transport.ts"
import type { WireCall, WireExit } from "./Wire.ts"

/** How calls that wait at the same time share HTTP requests. */
export interface CoalesceOptions {
  /** The most calls in one HTTP request; the service takes 100. Default 64. */
  readonly maxCalls?: number
  /** How many HTTP requests may be under way before calls wait for company. Default 4. */
  readonly maxRequests?: number
  /** How long a call waits for company at most, in milliseconds, while so many requests are under way. Default 2. */
  readonly lingerMillis?: number
}

/** A request's calls together stay well below the 256 KiB that the service takes; a larger call travels alone. */
const MAX_TEXT = 128 * 1024
const MAX_COMPANION = 16 * 1024

/** A call with whoever waits for it. */
interface Member {
  readonly call: WireCall
  readonly done: (end: WireExit | TransportFailure) => void
  /** Gives the call up, wherever it is by now. */
  giveUp: () => void
}

/**
 * Sends the calls that wait at the same moment in one HTTP request. They are answered as they come (lines of JSON), so a
 * slow call does not hold up its company. A call that finds few requests under way leaves in the same turn of the event
 * loop; one that finds many waits for company for a moment. What an HTTP request costs the service and the client is shared.
 */
export class Coalescer {
  private readonly exchange: HttpExchange
  private readonly alone: Start
  private readonly maxCalls: number
  private readonly maxRequests: number
  private readonly lingerMillis: number
  private readonly waiting = new Set<Member>()
  private underWay = 0
  private immediate: NodeJS.Immediate | undefined
  private linger: NodeJS.Timeout | undefined

  constructor(exchange: HttpExchange, alone: Start, options: CoalesceOptions) {
    this.exchange = exchange
    this.alone = alone
    this.maxCalls = Math.min(100, Math.max(1, options.maxCalls ?? 64))
    this.maxRequests = options.maxRequests ?? 4
    this.lingerMillis = options.lingerMillis ?? 2
  }

  readonly start: Start = (call, done) => {
    if (call.text.length > MAX_COMPANION) return this.alone(call, done)
    const member: Member = { call, done, giveUp: () => this.waiting.delete(member) }
    this.waiting.add(member)
    this.schedule()
    return () => member.giveUp()
  }

  private schedule(): void {
    if (this.underWay < this.maxRequests || this.waiting.size >= this.maxCalls) {
      this.immediate ??= setImmediate(() => this.flush())
    } else {
      this.linger ??= setTimeout(() => this.flush(), this.lingerMillis)
    }
  }

  private flush(): void {
    clearImmediate(this.immediate)
    clearTimeout(this.linger)
    this.immediate = undefined
    this.linger = undefined
    while (this.waiting.size > 0) this.post(this.gather())
  }

  private gather(): Map<string, Member> {
    const members = new Map<string, Member>()
    let length = 0
    for (const member of this.waiting) {
      length += member.call.text.length
      if (members.size > 0 && (members.size === this.maxCalls || length > MAX_TEXT)) break
      members.set(member.call.id, member)
      this.waiting.delete(member)
    }
    return members
  }

  private post(members: Map<string, Member>): void {
    const calls = members.size
    this.underWay += 1
    const request = this.exchange.post(
      {
        text: Array.from(members.values(), (member) => member.call.text).join(""),
        contentType: "application/x-ndjson",
        ...(calls === 1 ? soleCall(members) : {})
      },
      {
        answer: (answer) => {
          const member = members.get(answer.requestId)
          if (answer._tag !== "Exit" || member === undefined) return
          members.delete(answer.requestId)
          member.done(answer.exit)
        },
        end: (failure) => {
          this.ended()
          for (const member of members.values()) {
            // What is wrong with the request as a whole may be the fault of one call in it: it shall not fail its company.
            if (calls > 1 && failure.reason === "http" && !failure.passing) {
              member.giveUp = this.alone(member.call, member.done)
            } else {
              member.done(failure)
            }
          }
        }
      }
    )
    for (const member of members.values()) {
      member.giveUp = () => {
        if (!members.delete(member.call.id) || members.size > 0) return
        request.abort()
        this.ended()
      }
    }
  }

  private ended(): void {
    this.underWay -= 1
    if (this.waiting.size > 0) this.schedule()
  }
}

const soleCall = (members: Map<string, Member>): { readonly soleCall: string } | Record<string, never> => {
  const [id] = members.keys()
  return id === undefined ? {} : { soleCall: id }
}
