/** Text lines for datapoints, and how many datapoints have none: together they are all of the list. */
export interface RenderedLines {
  /** Every line ends with a newline; '' where there is none. */
  readonly text: string
  /** Datapoints that became a line. */
  readonly datapoints: number
  /** NaN and infinities, where the format has no number for them. */
  readonly notFinite: number
  /** Datapoints that a sender announced but did not send; see `forEachDatapoint`. */
  readonly undecodable: number
}
