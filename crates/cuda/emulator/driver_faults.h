// Faults (of memory that is not mapped) while work is run: named, then left to take their usual way.
#pragma once

void faults_watch();
void faults_leave();
