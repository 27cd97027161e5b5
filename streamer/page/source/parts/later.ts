/** Lets a part of a view be drawn some frames after the others, so that no frame has to wait for all of them. */
import { useEffect, useState } from "preact/hooks";

/** The value as it was some frames ago; the first one at once. */
export function useLater<Value>(value: Value, frames: number): Value {
  const [shown, setShown] = useState(value);
  useEffect(() => {
    let left = frames;
    let frame = requestAnimationFrame(next);
    return () => cancelAnimationFrame(frame);

    function next(): void {
      if (--left > 0) frame = requestAnimationFrame(next);
      else setShown(() => value);
    }
  }, [value]);
  return shown;
}
