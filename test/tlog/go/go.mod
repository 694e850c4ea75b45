module model-loader.test/tlog

go 1.25.0

// Before v0.40.0 tlog's tile reader left tiles unchecked against their parents (CVE-2026-56865); a test here notices.
require golang.org/x/mod v0.40.0
