from streamer.runtime.reminders import Reminder


def test_what_lasts_is_said_at_once_then_after_ten_minutes_then_hourly() -> None:
    now_s = [50.0]
    reminder = Reminder(lambda: now_s[0])
    said_s = []

    for second in range(2 * 3600 + 601):
        now_s[0] = 50.0 + second
        if reminder.is_due():
            said_s.append(second)

    assert said_s == [0, 600, 4200, 7800]
