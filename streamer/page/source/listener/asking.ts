/** Asks one question at a time: another one ends it, and the same one again waits until it is answered. */

interface Asked {
  readonly what: string;
  readonly stop: AbortController;
  /** Whether it was asked again meanwhile. */
  isOld: boolean;
}

export class Asking<Question> {
  readonly #answer: (question: Question, stop: AbortSignal) => Promise<void>;
  #asked: Asked | null = null;

  /** @param answer asks, and keeps what comes unless it is stopped; never throws */
  constructor(answer: (question: Question, stop: AbortSignal) => Promise<void>) {
    this.#answer = answer;
  }

  ask(question: Question): void {
    const what = JSON.stringify(question);
    if (this.#asked?.what === what) {
      this.#asked.isOld = true; // ended each time, it would have no answer while they play faster than it comes
      return;
    }
    this.end();
    void this.#run(question, { what, stop: new AbortController(), isOld: false });
  }

  end(): void {
    this.#asked?.stop.abort();
    this.#asked = null;
  }

  async #run(question: Question, asked: Asked): Promise<void> {
    this.#asked = asked;
    do {
      asked.isOld = false;
      await this.#answer(question, asked.stop.signal);
    } while (asked.isOld && !asked.stop.signal.aborted);
    if (this.#asked === asked) this.#asked = null;
  }
}
