// For the precompiled header of MailsteadTargets.cmake: it needs a target with a source.
