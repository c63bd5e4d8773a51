package commands

import (
	"context"

	"github.com/musterhq/muster/hub/orders"
	"github.com/musterhq/muster/shared/fleet"
)

// changes are the orders to the fleet's loop that words stand for; those of the
// same name about hosts and services differ.
var changes = map[orders.About]map[string]string{
	orders.Host: {
		"restart": fleet.DoRestart, "stop": fleet.DoStop, "start": fleet.DoStart,
		"maintenance": fleet.DoHostMaintenance, "drain": fleet.DoHostDrain, "activate": fleet.DoHostActivate, "freeze": fleet.DoFreeze, "unfreeze": fleet.DoUnfreeze,
	},
	orders.Service: {
		"rebalance": fleet.DoRebalance, "scale": fleet.DoScale, "restart": fleet.DoRestart, "stop": fleet.DoStop, "start": fleet.DoStart,
		"freeze": fleet.DoFreeze, "unfreeze": fleet.DoUnfreeze, "promote": fleet.DoPromote, "pause": fleet.DoPause,
		"resume": fleet.DoResume, "abort": fleet.DoAbort, "retry": fleet.DoRetry, "rollback": fleet.DoRollback,
	},
}

// change gives an order to the fleet's loop, or in a dry run looks what it would
// come to.
func (d *Dispatcher) change(ctx context.Context, j job, order orders.Order, on subjects) outcome {
	c := fleet.Command{
		// No key of the HTTP API has a space: nobody else's order has this name.
		ID: "command " + j.by.Name + " " + order.ID, Actor: j.by.Name, By: j.by, Do: changes[j.about.kind()][order.Do],
		Host: j.about.host, Service: on.service.Key, Count: order.Count, Version: order.Version, Fully: order.Fully,
		For: fleet.Duration(order.For), Drain: order.Drain, Reason: order.Reason,
	}
	if order.DryRun {
		return d.try(ctx, c, on)
	}
	ctx, cancel := context.WithTimeout(ctx, d.limits.OrderTime)
	defer cancel()
	result, err := d.options.Fleet.Do(ctx, c)
	if err != nil {
		return outcome{err: err, logged: true}
	}
	if c.Do == fleet.DoHostMaintenance { // which is the hub's alone
		on.host = fleet.HostView{}
	}
	return outcome{message: result.Message + away(on.host), revision: result.Revision, lasting: true, logged: true}
}

func (d *Dispatcher) try(ctx context.Context, c fleet.Command, on subjects) outcome {
	var result fleet.Result
	var refused error
	err := d.read(ctx, func(v View) { result, refused = v.Try(c) })
	if err == nil {
		err = refused
	}
	if err != nil {
		return outcome{err: err}
	}
	return outcome{message: "it would be done: " + result.Message + away(on.host)}
}

// away says that what was ordered of a host waits for its agent; empty: it doesn't.
func away(h fleet.HostView) string {
	if h.ID == "" || h.Status.State == fleet.HostUp {
		return ""
	}
	return "; " + isOff(h) + ": it will happen when it is back"
}

func isOff(h fleet.HostView) string {
	switch h.Status.State {
	case fleet.HostUnknown:
		return h.ID + " hasn't been heard since the hub started"
	case fleet.HostStopped:
		return "the agent on " + h.ID + " is stopped"
	}
	return h.ID + " is " + h.Status.State
}
