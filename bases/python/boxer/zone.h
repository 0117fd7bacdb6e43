// Local time (zone.c).
#ifndef BOXER_ZONE_H
#define BOXER_ZONE_H

// boxer_zone_forget makes the next use of local time read TZ and the zone's file again.
void boxer_zone_forget(void);

#endif
