"""Local clock times and their UTC seconds by Python's zoneinfo, with the hours that never are and that are twice.

Usage: python3 tests/golden/zones.py > tests/golden/zones.csv
"""
import datetime
import random
from zoneinfo import ZoneInfo

ZONES = ["America/New_York", "Europe/Berlin", "Europe/Dublin", "Asia/Kolkata", "Asia/Tokyo", "Australia/Sydney",
         "America/Sao_Paulo", "Africa/Casablanca", "America/St_Johns", "Pacific/Apia"]
random.seed(20261123)


def utc(zone, local):
    found = set()
    for fold in (0, 1):
        aware = local.replace(tzinfo=zone, fold=fold)
        back = aware.astimezone(datetime.timezone.utc)
        if back.astimezone(zone).replace(tzinfo=None) == local:
            found.add(int(back.timestamp()))
    return "never" if not found else "twice" if len(found) > 1 else str(found.pop())


def main():
    print("zone,local,utc")
    for name in ZONES:
        zone = ZoneInfo(name)
        times = [datetime.datetime(1950, 1, 1) + datetime.timedelta(minutes=30 * random.randrange(1800000))
                 for _ in range(12)]
        day = datetime.datetime(2015, 1, 1)
        while day.year < 2045:  # both sides of every change, and the half hour in it
            if zone.utcoffset(day) != zone.utcoffset(day + datetime.timedelta(days=1)) and random.random() < 0.15:
                times += [day + datetime.timedelta(minutes=30 * k) for k in range(0, 10)]
            day += datetime.timedelta(days=1)
        for local in times:
            print(f"{name},{local:%Y-%m-%d %H:%M},{utc(zone, local)}")


main()
