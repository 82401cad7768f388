/** What does not agree; of nobody where `userId` is missing. */
export interface Problem {
  readonly userId?: string
  readonly problem: string
}

/** The place of a receipt in its year. */
export interface ReceiptPlace {
  readonly year: number
  readonly number: number
}

/** A receipt, and the number of its purchase's receipt; `null` where there is no such purchase. */
export interface ReceiptRow extends ReceiptPlace {
  readonly receiptNumber: string
  readonly externalRef: string
  readonly userId: string
  readonly ofPurchase: string | null
}

export interface VerifiedPurchase {
  readonly externalRef: string
  readonly userId: string
  readonly receiptNumber: string
  /** Whether the receipt it names is there and is its own. */
  readonly hasReceipt: boolean
}

/**
 * What is wrong with receipts in the order of their numbers, the first of which follows `before`. `counter`: the last number
 * that was given, where these are the last receipts.
 */
export const receiptProblems = (
  before: ReceiptPlace,
  receipts: ReadonlyArray<ReceiptRow>,
  counter: ReceiptPlace | undefined
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  let last = before
  for (const receipt of receipts) {
    const { externalRef, ofPurchase, receiptNumber, userId } = receipt
    const due = receipt.year === last.year ? last.number + 1 : 1
    if (receipt.number !== due) {
      problems.push({
        userId,
        problem: `receipt ${receiptNumber} is there, and number ${due} of ${receipt.year} is not`
      })
    }
    if (ofPurchase !== receiptNumber) {
      problems.push({
        userId,
        problem: `receipt ${receiptNumber} is of purchase ${externalRef}, ${ofPurchase === null ? "which is not there" : `which has ${ofPurchase}`}`
      })
    }
    last = receipt
  }
  // A counter that never counted stands at no receipt of its year.
  if (counter !== undefined && counter.number !== (counter.year === last.year ? last.number : 0)) {
    problems.push({
      problem: `the last receipt of ${counter.year} is number ${counter.year === last.year ? last.number : 0}, the last number given ${counter.number}`
    })
  }
  return problems
}

/** What is wrong with a purchase. */
export const purchaseProblem = ({
  externalRef,
  hasReceipt,
  receiptNumber,
  userId
}: VerifiedPurchase): ReadonlyArray<Problem> =>
  hasReceipt
    ? []
    : [{ userId, problem: `purchase ${externalRef} names receipt ${receiptNumber}, which is not its own or not there` }]
