/** The replay: which moment of a listener's plays the map shows, and how it moves on. */

export interface Replay {
  /** The moment shown: 0 is after the first play. */
  readonly moment: number;
  /** The last moment there is. */
  readonly last: number;
  readonly isRunning: boolean;
  /** Whether the latest play is shown as soon as it arrives. */
  readonly isLive: boolean;
}

export const PLAYS_PER_S = 4;
const CATCH_UP_S = 0.6; // how long the heads take to the latest play of a listener who is followed live

const OVERTURE = 12; // plays that run by when a listener comes on the map

/** The last moment of some plays. */
export function begin(numPlays: number): Replay {
  const last = Math.max(numPlays - 1, 0);
  return { moment: last, last, isRunning: false, isLive: true };
}

/** Run through the latest plays first, so that it is seen how they led here. */
export function beginEarlier(numPlays: number): Replay {
  const { last } = begin(numPlays);
  return { moment: Math.max(last - OVERTURE, 0), last, isRunning: last > 0, isLive: last === 0 };
}

/** Show a moment; at the last one the replay is live. */
export function seek(replay: Replay, moment: number): Replay {
  const at = Math.min(Math.max(moment, 0), replay.last);
  return { ...replay, moment: at, isRunning: false, isLive: at === replay.last };
}

/** Run from the moment shown, from the beginning if it is the last one; or stop. */
export function toggle(replay: Replay): Replay {
  if (replay.isRunning) return { ...replay, isRunning: false, moment: Math.round(replay.moment) };
  const moment = replay.moment >= replay.last ? 0 : replay.moment;
  return { ...replay, moment, isRunning: replay.last > 0, isLive: false };
}

/**
 * Take up new plays. The oldest may have been forgotten since: numbers say which.
 * @param before the numbers of the plays until now
 * @param after the numbers of the plays from now on
 */
export function renumber(replay: Replay, before: readonly number[], after: readonly number[]): Replay {
  const last = Math.max(after.length - 1, 0);
  const index = Math.min(Math.floor(replay.moment), Math.max(before.length - 1, 0));
  const shift = before.length && after.length ? after[0]! - before[0]! : 0;
  const moment = Math.min(Math.max(index + (replay.moment - index) - shift, 0), last);
  return { ...replay, moment, last };
}

/** Move on by some seconds: at its own speed while it runs, quickly to the latest play while it is live. */
export function advance(replay: Replay, seconds: number): Replay {
  if (replay.isRunning) {
    const moment = Math.min(replay.moment + seconds * PLAYS_PER_S, replay.last);
    const isOver = moment === replay.last;
    return { ...replay, moment, isRunning: !isOver, isLive: isOver };
  }
  if (replay.isLive && replay.moment < replay.last) {
    const left = replay.last - replay.moment;
    const moment = replay.moment + Math.max(left, 1) * (seconds / CATCH_UP_S);
    return { ...replay, moment: Math.min(moment, replay.last) };
  }
  return replay;
}

export function isMoving({ isRunning, isLive, moment, last }: Replay): boolean {
  return isRunning || (isLive && moment < last);
}
