// What is never an indicator by itself: addresses that name no place on the Internet, resolvers
// that malware asks as everybody does, and domains so many use that a feed which names one means a
// page on it, not the site. Documents add to it (spec.never). docs/formats/feed.md lists what
// stands here.
#include "detect/intel/internal.h"

const char *const intel_never[] = {
    // Public resolvers: feeds list them as what malware asked
    "1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "149.112.112.112", "208.67.222.222",
    "208.67.220.220", "2606:4700:4700::1111", "2606:4700:4700::1001", "2001:4860:4860::8888",
    "2001:4860:4860::8844", "2620:fe::fe", "2620:fe::9",
    // Hosts of many
    "google.com", "www.google.com", "drive.google.com", "docs.google.com", "googleapis.com",
    "storage.googleapis.com", "github.com", "www.github.com", "gist.github.com",
    "raw.githubusercontent.com", "objects.githubusercontent.com", "codeload.github.com",
    "gitlab.com", "bitbucket.org", "dropbox.com", "www.dropbox.com", "dl.dropboxusercontent.com",
    "onedrive.live.com", "microsoft.com", "www.microsoft.com", "login.microsoftonline.com",
    "windowsupdate.com", "amazonaws.com", "s3.amazonaws.com", "cloudfront.net", "cloudflare.com",
    "www.cloudflare.com", "discord.com", "cdn.discordapp.com", "api.telegram.org", "t.me",
    "pastebin.com", "facebook.com", "www.facebook.com", "twitter.com", "x.com", "linkedin.com",
    "www.linkedin.com", "youtube.com", "www.youtube.com", "apple.com", "www.apple.com",
    "archive.org", "wikipedia.org", "docker.io", "registry-1.docker.io", "auth.docker.io",
    "production.cloudflare.docker.com", "quay.io", "ghcr.io", "gcr.io", "registry.k8s.io",
    "pypi.org", "files.pythonhosted.org", "registry.npmjs.org", "deb.debian.org",
    "security.debian.org", "archive.ubuntu.com", "security.ubuntu.com", NULL};

bool never_special(const struct indicator *i)
{
    static const uint8_t zero[15];
    const uint8_t *a = (const uint8_t *)i->value.ptr;
    if (i->type != INDICATOR_ADDRESS && i->type != INDICATOR_NETWORK)
        return false;
    if (i->value.len == 4) // RFC 6890's registry, without the networks for documentation
        return a[0] == 0 || a[0] == 10 || a[0] == 127 || a[0] >= 224 ||
               (a[0] == 100 && (a[1] & 0xc0) == 64) || (a[0] == 169 && a[1] == 254) ||
               (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168);
    return a[0] == 0xff || (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) ||
           (memcmp(a, zero, sizeof(zero)) == 0 && a[15] <= 1);
}
