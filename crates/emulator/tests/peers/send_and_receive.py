"""Drives an emulated modem with python-gsmmodem-new: connect, send with report, receive, USSD.

Usage: send_and_receive.py PTY OWN_NUMBER. Prints one JSON line; the calling test compares it.
"""

import json
import logging
import sys
import threading

from gsmmodem.modem import GsmModem

logging.disable(logging.CRITICAL)
path, own_number = sys.argv[1:3]
received = []
arrived = threading.Event()


def on_sms(sms):
    received.append([sms.number, sms.text])
    arrived.set()


modem = GsmModem(path, 115200, smsReceivedCallbackFunc=on_sms, requestDelivery=True)
modem.smsTextMode = False
modem.connect()
coverage = modem.waitForNetworkCoverage(10)
operator = modem.networkName
sent = modem.sendSms("+6281234567890", "Your OTP is 998877 [x] \u20ac", waitForDeliveryReport=True, deliveryTimeout=20)
ussd = modem.sendUssd("*888#").message
modem.sendSms(own_number, "to myself \u65e5\u672c", waitForDeliveryReport=False)
arrived.wait(20)
print(
    json.dumps(
        {
            "manufacturer": modem.manufacturer,
            "imsi": modem.imsi,
            "operator": operator,
            "signal": coverage,
            "report": sent.report.deliveryStatus if sent.report else None,
            "ussd": ussd,
            "received": received,
        }
    ),
    flush=True,
)
modem.close()
