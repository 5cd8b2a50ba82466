#!/usr/bin/env bash
# Opens one mail in Debian's Thunderbird on a virtual screen, as HTML, as text and in dark mode, and takes a picture of
# each for a person to look at. It waits for fixed times, so it is not a test.
#   apt install thunderbird xvfb xdotool imagemagick
#   docs/thunderbird.sh [MAIL.eml] [FOLDER]      without MAIL.eml, the sample week
set -euo pipefail
cd "$(dirname "$0")/.."
out=${2:-build/thunderbird}
wait_seconds=${WAIT:-25}
for program in thunderbird Xvfb xdotool import; do
    command -v "$program" >/dev/null || { echo "$program is missing: apt install thunderbird xvfb xdotool imagemagick" >&2; exit 1; }
done
mkdir -p "$out"
mail=${1:-}
if [ -z "$mail" ]; then
    mail=$out/week.eml
    PYTHONPATH=.:tests/gates python3 docs/sample-mail.py "$mail"
fi
mail=$(realpath "$mail")
home=$(mktemp -d)
screen=
reader=
finish() {
    [ -z "$reader" ] || kill "$reader" 2>/dev/null || true
    [ -z "$screen" ] || kill "$screen" 2>/dev/null || true
    sleep 1
    rm -rf "$home"
}
trap finish EXIT

display=:97
Xvfb $display -screen 0 1000x1600x24 -nolisten tcp >/dev/null 2>&1 &
screen=$!
sleep 1

# A profile that asks nothing and cannot reach the network (its proxy is a port where nothing listens).
profile() {
    mkdir -p "$home/$1"
    cat >"$home/$1/user.js" <<JS
user_pref("app.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("datareporting.policy.dataSubmissionPolicyBypassNotification", true);
user_pref("toolkit.telemetry.enabled", false);
user_pref("mailnews.start_page.enabled", false);
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.accounthub.enabled", false);
user_pref("mail.spotlight.firstRunDone", true);
user_pref("mail.winsearch.firstRunDone", true);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mail.rights.version", 1);
user_pref("app.donation.eoy.version.viewed", 999);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", 9);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", 9);
user_pref("mailnews.message_display.disable_remote_image", false);
user_pref("mailnews.display.prefer_plaintext", $2);
user_pref("mailnews.display.html_as", $3);
user_pref("ui.systemUsesDarkTheme", $4);
JS
}

look() {
    profile "$1" "$2" "$3" "$4"
    DISPLAY=$display HOME=$home MOZ_DISABLE_CONTENT_SANDBOX=1 LIBGL_ALWAYS_SOFTWARE=1 \
        thunderbird --no-remote --profile "$home/$1" "$mail" >"$out/$1.log" 2>&1 &
    reader=$!
    sleep "$wait_seconds"
    # The last window is the mail's own; give it the whole screen.
    window=$(DISPLAY=$display xdotool search --onlyvisible --name . 2>/dev/null | tail -1)
    [ -z "$window" ] || DISPLAY=$display xdotool windowmove "$window" 0 0 windowsize "$window" 1000 1600 || true
    sleep 3
    DISPLAY=$display import -window root "$out/$1.png"
    kill "$reader" 2>/dev/null || true
    wait "$reader" 2>/dev/null || true
    reader=
    echo "$out/$1.png"
}

look html false 0 0
look text true 1 0
look dark false 0 1
