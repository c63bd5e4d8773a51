// Package nginx drives a nginx of Muster's own: it carries out what package
// sequence decides for a balancer without a runtime API, and reports what it
// sees.
//
// Every change is a reload, which is believed once nginx itself tells that it
// runs the new file. The driver checks endpoints from this host, because nginx
// doesn't. nginx outlives the agent: an agent that starts finds it by its pid
// file, asks which file it runs, and reloads nothing.
package nginx
